"""The countries of Energy-Charts, as version 1.5 of its API lists them (2025-10-21).

Not every one has carbon intensities, and those that have do not all have a forecast.
"""

from carbonslurm.carbon.checks import shown
from carbonslurm.errors import ConfigError

COUNTRIES = {
    "al": "Albania",
    "all": "Europe",
    "am": "Armenia",
    "at": "Austria",
    "az": "Azerbaijan",
    "ba": "Bosnia-Herzegovina",
    "be": "Belgium",
    "bg": "Bulgaria",
    "by": "Belarus",
    "ch": "Switzerland",
    "cy": "Cyprus",
    "cz": "Czech Republic",
    "de": "Germany",
    "dk": "Denmark",
    "ee": "Estonia",
    "es": "Spain",
    "eu": "European Union",
    "fi": "Finland",
    "fr": "France",
    "ge": "Georgia",
    "gr": "Greece",
    "hr": "Croatia",
    "hu": "Hungary",
    "ie": "Ireland",
    "it": "Italy",
    "lt": "Lithuania",
    "lu": "Luxembourg",
    "lv": "Latvia",
    "md": "Moldova",
    "me": "Montenegro",
    "mk": "North Macedonia",
    "mt": "Malta",
    "nie": "North Ireland",
    "nl": "Netherlands",
    "no": "Norway",
    "pl": "Poland",
    "pt": "Portugal",
    "ro": "Romania",
    "rs": "Serbia",
    "ru": "Russia",
    "se": "Sweden",
    "si": "Slovenia",
    "sk": "Slovak Republic",
    "tr": "Turkey",
    "ua": "Ukraine",
    "uk": "United Kingdom",
    "xk": "Kosovo",
}


def country_code(country: str) -> str:
    """Return the code of a country given by code or name, in any case.

    Raises:
        ConfigError: there is no such country.
    """
    wanted = country.strip().casefold()
    for code, name in COUNTRIES.items():
        if wanted in {code, name.casefold()}:
            return code
    raise ConfigError(f'country: expected one of {", ".join(COUNTRIES)}, got "{shown(country)}"')
