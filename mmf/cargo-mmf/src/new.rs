//! `cargo mmf new` and `cargo mmf add`: a service that compiles and passes its tests at once, and more of its parts.
//!
//! `names` says what may be a name, `format` has rustfmt format it, `templates` are the files of the crate and how they are rendered, `plan` is what would be
//! written, and writes it.

mod format;
mod names;
mod plan;
mod templates;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::end::End;
use crate::say::say;
use names::Name;
use plan::Plan;
use templates::{Facts, PARTS, SERVICE};

/// The database of a service.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Database {
    Postgres,
}

#[derive(Args)]
pub(crate) struct New {
    /// The name of the service, and of its folder: lower case, `-` between words
    name: String,
    /// Serves gRPC beside HTTP
    #[arg(long)]
    grpc: bool,
    /// Has notes in a database
    #[arg(long, value_name = "DATABASE")]
    database: Option<Database>,
    /// Where MMF is, in place of a published version
    #[arg(long, value_name = "FOLDER")]
    mmf_path: Option<PathBuf>,
    /// Tells what would be written, and writes nothing
    #[arg(long)]
    dry_run: bool,
}

impl New {
    pub(crate) fn run(self) -> End {
        self.write().unwrap_or_else(End::Undecided)
    }

    fn write(self) -> Result<End, String> {
        let name = Name::of_package(&self.name)?;
        let folder = PathBuf::from(&self.name);
        let mmf = match &self.mmf_path {
            None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
            Some(path) => {
                let path =
                    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
                let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
                if !manifest.contains("name = \"mmf\"") {
                    return Err(format!("{} is not the folder `mmf` of MMF", path.display()));
                }
                let path = path.to_str().filter(|path| {
                    !path.contains(|letter: char| letter == '\'' || letter.is_control())
                });
                format!("path = '{}'", path.ok_or("the path of MMF cannot stand in Cargo.toml")?)
            }
        };
        let facts = Facts {
            grpc: self.grpc,
            postgres: matches!(self.database, Some(Database::Postgres)),
            mmf,
            ..Facts::of(&name)
        };
        let mut plan = Plan::of_new_folder(&folder);
        for template in SERVICE.iter().filter(|template| template.is_wanted(&facts)) {
            plan.add(template.path, template.render(&facts)?);
        }
        // The first client, by the same template as each further one.
        let quotes = Name::of_part("quotes")?;
        let facts = Facts { service: name.text, ..Facts::of(&quotes) };
        plan.add("src/clients/quotes.rs", PARTS.client.render(&facts)?);
        let is_formatted = plan.format();
        // Also where the folder is empty: it may be somebody's.
        plan.check()?;
        if self.dry_run {
            say(format_args!("{}", plan.told()));
            return Ok(End::Passed);
        }
        plan.write()?;
        say(format_args!(
            "{}\ncd {} && cargo mmf test && cargo mmf gate\n",
            plan.told().trim_end(),
            folder.display()
        ));
        if self.mmf_path.is_some() {
            say(format_args!(
                "note: Dockerfile and CI do not see --mmf-path: name a version in Cargo.toml before\n"
            ));
        }
        if !is_formatted {
            say(format_args!("note: without rustfmt it is not formatted: `cargo fmt` does it\n"));
        }
        if let Some(workspace) = workspace() {
            let (workspace, name) = (workspace.display(), &self.name);
            say(format_args!(
                "note: {workspace} is a workspace: name `{name}` in its `members` or its `exclude`\n"
            ));
        }
        Ok(End::Passed)
    }
}

/// A part of a service.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Client,
    Check,
    Contract,
    Experiment,
    Operation,
}

#[derive(Args)]
pub(crate) struct Add {
    /// What is added
    part: Part,
    /// Its name: lower case, `-` or `_` between words
    name: String,
    /// Tells what would be written, and writes nothing
    #[arg(long)]
    dry_run: bool,
}

impl Add {
    pub(crate) fn run(self) -> End {
        self.write().unwrap_or_else(End::Undecided)
    }

    fn write(self) -> Result<End, String> {
        let name = Name::of_part(&self.name)?;
        let facts = Facts { service: package()?, ..Facts::of(&name) };
        let ident = &name.ident;
        let mut plan = Plan::in_folder(Path::new("."));
        let module = format!("pub mod {ident};");
        match self.part {
            Part::Client => {
                plan.add(&format!("src/clients/{ident}.rs"), PARTS.client.render(&facts)?);
                plan.insert("src/clients/mod.rs", "// cargo mmf add: clients", &module)?;
            }
            Part::Check => {
                plan.add(&format!("src/checks/{ident}.rs"), PARTS.check.render(&facts)?);
                plan.insert(
                    "src/checks/mod.rs",
                    "// cargo mmf add: checks",
                    &format!("mod {ident};"),
                )?;
                let call = format!("{ident}::register(app);");
                plan.insert("src/checks/mod.rs", "// cargo mmf add: registered checks", &call)?;
            }
            Part::Operation => {
                plan.add(&format!("src/operations/{ident}.rs"), PARTS.operation.render(&facts)?);
                plan.insert("src/operations/mod.rs", "// cargo mmf add: operations", &module)?;
            }
            Part::Contract | Part::Experiment if !Path::new("tests/support/mod.rs").is_file() => {
                return Err(
                    "tests/support/mod.rs is not there; this is no service of `cargo mmf new`"
                        .into(),
                );
            }
            Part::Contract => {
                plan.add(&format!("tests/{ident}_contract.rs"), PARTS.contract.render(&facts)?);
            }
            Part::Experiment => {
                plan.add(&format!("tests/{ident}_experiment.rs"), PARTS.experiment.render(&facts)?);
            }
        }
        plan.format();
        plan.check()?;
        if !self.dry_run {
            plan.write()?;
        }
        say(format_args!("{}{}\n", plan.told(), self.part.next(&name)));
        Ok(End::Passed)
    }
}

impl Part {
    /// What is left to do: it passes its tests, and does nothing of anybody's own yet.
    fn next(self, name: &Name) -> String {
        let Name { ident, camel, .. } = name;
        match self {
            Self::Client => format!(
                "next: give `App` in src/lib.rs a `{camel}` with its address, and ask in `today` what it is there for"
            ),
            Self::Check => {
                format!("next: write into `ask` of src/checks/{ident}.rs what is to be there")
            }
            Self::Contract => {
                format!("next: name the endpoint in tests/{ident}_contract.rs, and what it answers")
            }
            Self::Experiment => format!(
                "next: name in tests/{ident}_experiment.rs what is struck, and what survives it"
            ),
            Self::Operation => {
                format!("next: write into `run` of src/operations/{ident}.rs what it does")
            }
        }
    }
}

/// The workspace that this is in.
fn workspace() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let is_workspace = |manifest: &PathBuf| {
        let table = std::fs::read_to_string(manifest)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().ok());
        table.is_some_and(|table| table.contains_key("workspace"))
    };
    here.ancestors().map(|folder| folder.join("Cargo.toml")).find(is_workspace)
}

/// The package that this is in.
fn package() -> Result<String, String> {
    let text = std::fs::read_to_string("Cargo.toml").map_err(|error| {
        format!("Cargo.toml: {error}; `cargo mmf add` runs in the folder of a service")
    })?;
    let table: toml::Table = text.parse().map_err(|error| format!("Cargo.toml: {error}"))?;
    let name =
        table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| "Cargo.toml has no package with a name".to_owned())
}
