//! The command as users run it: as a process.

mod browser;
mod cli;
mod dashboards;
mod folder;
mod gates;
mod new;
