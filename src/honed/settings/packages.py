"""Settings of packages: where newer releases of what repositories are built on come from."""

from pathlib import Path

from pydantic import BaseModel, Field


class PackageSettings(BaseModel):
    """Where releases come from, and how long others have to have had them."""

    package_index: str = Field(
        "",
        pattern=r"^$|^https?://[^\s@?#]+$",
        description="Address of an index of packages with pages in JSON (PEP 691), such as"
        " https://index.example/simple; it is told the names of what repositories depend on."
        " Empty: none is asked.",
    )
    package_wheels: Path | None = Field(
        None, description="Folder of wheels that are releases, too; nobody is asked for it."
    )
    package_age_days: float = Field(
        3.0,
        ge=0,
        allow_inf_nan=False,
        description="A release of an index is proposed when it is so old: what was bad about it has"
        " been found by then, and what was malicious was taken away.",
    )
