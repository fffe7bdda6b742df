"""Typed settings: defaults < a running one-machine cluster < conf file < environment < flag.

The conf file is ``conf/labelmill.toml`` below the working folder, or the file that
``LABELMILL_CONF`` names. Each key ``x`` is read from the environment as ``LABELMILL_X``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from labelmill.errors import InputError, UnknownName

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError
else:
    from tomli import TOMLDecodeError

CLUSTER_FILE = "cluster.json"
"""File below ``home`` that holds the addresses of a running one-machine cluster."""


def default_home() -> Path:
    """Returns the folder of the one-machine servers, jars and training sets.

    ``LABELMILL_HOME``; else ``.labelmill`` of the working folder if bin/setup has made one there,
    so that plain spark-submit in a checkout finds the servers that bin/labelmill started; else
    ``~/.labelmill``.
    """
    named = os.environ.get("LABELMILL_HOME")
    if named:
        return Path(named).expanduser().absolute()
    here = Path(".labelmill").absolute()
    return here if (here / "jars").is_dir() else Path("~/.labelmill").expanduser()


class Settings(BaseSettings):
    """All settings. The field descriptions are the documentation."""

    model_config = SettingsConfigDict(env_prefix="LABELMILL_", extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=default_home,
        description="Folder of the one-machine servers' data and logs, jars and local training sets.",
    )
    kudu_masters: str = Field(
        "",
        description="Kudu masters, HOST:PORT[,HOST:PORT…]. Empty: the one-machine cluster of `home`.",
    )
    kafka_brokers: str = Field(
        "",
        description="Kafka brokers, HOST:PORT[,HOST:PORT…]. Empty: the one-machine cluster of `home`.",
    )
    table_prefix: str = Field(
        "labelmill_",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Put before every Kudu table's name, so that several installations share a Kudu.",
    )
    replicas: int = Field(
        0,
        ge=0,
        le=7,
        description="Replicas of new tables (odd). 0: 3 with three tservers or more, else 1.",
    )
    buckets: int = Field(
        4,
        ge=2,
        le=256,
        description="Hash buckets (tablets) of each new bulk table; about the cluster's cores.",
    )
    row_driver: Literal["auto", "java", "native"] = Field(
        "auto",
        description="Row access to Kudu: `java` (through jpype1), `native` (kudu-python), `auto`: native when importable.",
    )
    kudu_jar: str = Field(
        "",
        description="Path of the kudu-spark3 jar for the `java` driver. Empty: Spark's files, then `home`/jars/spark.",
    )
    timeout_seconds: float = Field(
        30.0,
        gt=0,
        description="How long an operation on Kudu or Kafka may take before it is an error.",
    )
    pixel_cap: int = Field(
        64_000_000,
        ge=1,
        description="Images of more pixels than this are quarantined before decoding.",
    )
    training_sets: str = Field(
        "",
        description="Where frozen training sets go: a folder or a pyarrow.fs URI. Empty: `home`/training_sets.",
    )
    slices: str = Field(
        "",
        description="Folder of named slices, NAME.sql. Empty: conf/slices here, else those that come with labelmill.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags override the environment, which overrides the conf file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _conf_file())

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        """Servers and executors have working folders of their own."""
        return home.expanduser().absolute()

    @field_validator("replicas")
    @classmethod
    def _odd(cls, replicas: int) -> int:
        """Kudu refuses even numbers."""
        if replicas and replicas % 2 == 0:
            raise ValueError("expected an odd number, or 0")
        return replicas

    def masters(self) -> str:
        """Returns Kudu's masters.

        Raises:
            InputError: None are set and no one-machine cluster runs.
        """
        return self.kudu_masters or self._from_cluster("kudu_masters", "Kudu")

    def brokers(self) -> str:
        """Returns Kafka's brokers.

        Raises:
            InputError: None are set and no one-machine cluster runs.
        """
        return self.kafka_brokers or self._from_cluster("kafka_brokers", "Kafka")

    def training_set_root(self) -> str:
        """Returns the folder or URI that holds frozen training sets."""
        return self.training_sets or str(self.home / "training_sets")

    def _from_cluster(self, key: str, server: str) -> str:
        path = self.home / CLUSTER_FILE
        if path.is_file():
            value = json.loads(path.read_text()).get(key)
            if value:
                return str(value)
        raise InputError(
            f"no {server} is known: {key} is not set and no one-machine cluster runs in {self.home}. "
            f"Start one with `bin/labelmill up`, or name yours with LABELMILL_{key.upper()} or "
            f"--{key.replace('_', '-')}."
        )


def _conf_file() -> Path:
    named = os.environ.get("LABELMILL_CONF")
    if named and not Path(named).is_file():
        raise InputError(f"LABELMILL_CONF names {named!r}, which is not a file")
    return Path(named or "conf/labelmill.toml")


def load(**flags: Any) -> Settings:
    """Reads the settings.

    Args:
        **flags: Values by key, which override all others; ``None`` means not given.

    Raises:
        UnknownName: An unknown key; the message suggests the closest match.
        InputError: An invalid value; the message says which key, what was received and what was
            expected.

    Example:
        >>> load(kudu_masters="kudu-1:7051", table_prefix="trial_").table_prefix
        'trial_'
    """
    try:
        return Settings(**{k: v for k, v in flags.items() if v is not None})
    except SettingsError as error:
        raise InputError(f"the environment: {error}") from None
    except TOMLDecodeError as error:
        raise InputError(f"{_conf_file()} is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{_conf_file()} is not UTF-8 text: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownName("setting", key, Settings.model_fields) from None
        raise InputError(f"setting {key}: {first['msg']}; received {first['input']!r}") from None
