"""What can go wrong when the site is written."""

from dynamics_gen.errors import DynamicsError


class SiteError(DynamicsError, ValueError):
    """The site's folder holds something else, or an entry's picture is none."""
