//! Holds nothing: the programs are under `pass/` and `fail/`.
