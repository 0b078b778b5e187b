"""Where things lie beside what they resemble."""
