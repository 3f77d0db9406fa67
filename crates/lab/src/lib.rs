//! airlab.toml: parsing, defaults, validation, and every path airlab writes.
