"""Secrets that are known by their own shape: keys and tokens of providers, private keys, hashes."""

import re

from honed.core.sensitive.rule import Rule, needs, word


def _rule(name: str, pattern: str, *texts: str) -> Rule:
    return Rule(name, re.compile(pattern), needs(*texts))


def _word(name: str, pattern: str, *texts: str) -> Rule:
    """Return a rule whose pattern stands at the beginning of a word."""
    return _rule(name, word(pattern), *texts)


#: A header that says that a private key follows; seed 003 has the form with BLOCK.
_KEY_HEADER = r"-----BEGIN (?![A-Z0-9 ]{0,40}PUBLIC)[A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----"
#: The key up to its footer, or, where the text was cut off, as far as it looks like base64.
_KEY_BODY = (
    r"(?:(?:[^-]++|-(?!----))*+-----END [A-Z0-9 ]{0,60}-----"
    r"|(?:(?:\s|\\{1,8}[nr])*+[A-Za-z0-9+/=]{16,}+)*+)"
)

#: Lengths are the providers' own where they publish them, else somewhat below what is seen.
TOKENS: tuple[Rule, ...] = (
    _rule("private_key", _KEY_HEADER + _KEY_BODY, "-----begin "),
    _word("age_key", r"AGE-SECRET-KEY-1[A-Z0-9]{40,80}", "age-secret-key-1"),
    _word(
        "jwt",
        r"eyJ[A-Za-z0-9_-]{13,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){0,3}",
        "eyj",
    ),
    _rule(
        "aws_access_key",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        "akia",
        "asia",
        "abia",
        "acca",
    ),
    _rule("google_api_key", r"AIza[\w-]{30,40}", "aiza"),
    _word("google_oauth_token", r"ya29\.[\w-]{20,}+", "ya29."),
    _word("google_refresh_token", r"1//0[\w-]{30,}+", "1//0"),
    _rule("google_client_secret", r"GOCSPX-[\w-]{20,40}", "gocspx-"),
    _rule("github_token", r"gh[opsur]_[A-Za-z0-9]{30,255}", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"),
    _rule("github_fine_grained_token", r"github_pat_\w{22,255}", "github_pat_"),
    _rule(
        "gitlab_token",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w-]{13}[\w=.-]{7,242}",
        "glpat-",
        "gldt-",
        "glrt-",
        "glcbt-",
        "glptt-",
        "glft-",
        "glimt-",
        "glagent-",
        "gloas-",
        "glsoat-",
        "glffct-",
    ),
    _word("bitbucket_token", r"ATBB[\w-]{12}[\w=-]{12,52}", "atbb"),
    _word("atlassian_token", r"AT(?:ATT|CTT)3[\w-]{10}[\w=-]{10,}+", "atatt3", "atctt3"),
    _rule("slack_token", r"xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{11,255}", "xox"),
    _rule("slack_app_token", r"xapp-\d-[A-Za-z0-9-]{10,255}", "xapp-"),
    _rule(
        "slack_webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?:[\w-]{1,64}/){0,3}[\w-]{16,64}",
        "hooks.slack.com",
    ),
    _rule("discord_webhook", r"/api/webhooks/\d{15,22}/[\w-]{40,128}", "/api/webhooks/"),
    _rule("telegram_token", r"(?<!\d)\d{6,12}:AA[\w-]{30,36}", ":aa"),
    _word("stripe_key", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,255}", "k_live_", "k_test_"),
    _word("stripe_webhook_secret", r"whsec_[A-Za-z0-9+/=]{20,255}", "whsec_"),
    _word("square_token", r"sq0[a-z]{3}-[\w-]{20,64}", "sq0"),
    _word(
        "shopify_token", r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}", "shpat", "shpca", "shppa", "shpss"
    ),
    _word("anthropic_key", r"sk-ant-[\w-]{16,255}", "sk-ant-"),
    _word(
        "openai_key",
        r"sk-(?=[A-Za-z_-]{0,64}\d)(?:proj-|svcacct-|admin-|or-v1-)?[\w-]{20,255}",
        "sk-",
    ),
    _word("huggingface_token", r"[ah](?:f|pi_org)_[A-Za-z0-9]{30,64}", "hf_", "api_org_"),
    _word("groq_key", r"gsk_[A-Za-z0-9]{20,255}", "gsk_"),
    _word("xai_key", r"xai-[A-Za-z0-9]{20,255}", "xai-"),
    _word("replicate_token", r"r8_[A-Za-z0-9]{30,64}", "r8_"),
    _word("sentry_token", r"sntry[su]_\w{9}[\w+/=-]{21,}+", "sntrys_", "sntryu_"),
    _word("npm_token", r"npm_[A-Za-z0-9]{30,64}", "npm_"),
    _word("pypi_token", r"pypi-AgE[\w-]{30,}+", "pypi-age"),
    _word("rubygems_key", r"rubygems_[0-9a-f]{40,64}", "rubygems_"),
    _word("docker_token", r"dckr_(?:pat|oat)_[\w-]{20,64}", "dckr_"),
    _word("sendgrid_key", r"SG\.[\w-]{16,32}\.[\w-]{16,64}", "sg."),
    _word("twilio_key", r"SK[0-9a-f]{32}(?!\w)", "sk"),
    _word("mailgun_key", r"key-[0-9a-f]{32}(?!\w)", "key-"),
    _word("mailchimp_key", r"[0-9a-f][0-9a-f]{31}-us\d{1,2}(?!\w)", "-us"),
    _word("digitalocean_token", r"do[opr]_v1_[0-9a-f]{40,64}", "_v1_"),
    _word("databricks_token", r"dapi[0-9a-f]{32}(?:-\d)?(?!\w)", "dapi"),
    _word("heroku_key", r"HRKU-[\w-]{30,64}", "hrku-"),
    _word("linear_key", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}", "lin_"),
    _word("postman_key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", "pmak-"),
    _word("new_relic_key", r"NRAK-[A-Z0-9]{27}", "nrak-"),
    _word("grafana_token", r"gl(?:sa|c)_\w{12}[A-Za-z0-9+/=_]{20,243}", "glsa_", "glc_"),
    _word("vault_token", r"hv[bsr]\.[\w-]{20,255}", "hvs.", "hvb.", "hvr."),
    _word("supabase_key", r"sb(?:p_[0-9a-f]{40}|_secret_[\w-]{20,64})", "sbp_", "sb_secret_"),
    _word("planetscale_token", r"pscale_(?:pw|tkn|oauth)_[\w-]{6}[\w.=-]{24,58}", "pscale_"),
    _word("notion_token", r"ntn_[A-Za-z0-9]{40,64}", "ntn_"),
    _word("figma_token", r"fig[dou]r?_[\w-]{36,64}", "figd_", "figo_", "figu_", "figdr_"),
    _word("airtable_token", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", "pat"),
    _rule(
        "password_hash",
        r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{40,53}|\$argon2(?:id|i|d)\$[\w=,.$+/-]{20,255}"
        r"|\$[156y]\$[\w=./$-]{20,255}|pbkdf2_sha\d{1,3}\$\d{1,9}\$[\w+/=$.-]{20,255}",
        "$2",
        "$argon2",
        "$1$",
        "$5$",
        "$6$",
        "$y$",
        "pbkdf2_",
    ),
)

#: Those that nothing announces but their parts.
DOTTED_TOKENS: tuple[Rule, ...] = (
    _word("discord_token", r"[MNO][\w-]{22,28}\.[\w-]{6}\.[\w-]{27,45}", "."),
)
