//! The templates, files of this crate, and how they are rendered.

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::names::Name;

/// What templates are rendered with.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    /// The name as it was given.
    pub(super) name: String,
    /// The name as a crate.
    #[serde(rename = "crate")]
    pub(super) crate_name: String,
    pub(super) ident: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) title: String,
    /// The package that it is part of.
    pub(super) service: String,
    /// Where `Cargo.toml` finds MMF.
    pub(super) mmf: String,
    pub(super) grpc: bool,
    pub(super) postgres: bool,
}

impl Facts {
    pub(super) fn of(name: &Name) -> Self {
        Self {
            name: name.text.clone(),
            crate_name: name.ident.clone(),
            ident: name.ident.clone(),
            type_name: name.camel.clone(),
            title: name.title.clone(),
            service: String::new(),
            mmf: String::new(),
            grpc: false,
            postgres: false,
        }
    }
}

/// A file of the crate.
pub(super) struct Template {
    /// Where it is written.
    pub(super) path: &'static str,
    text: &'static str,
    only: Only,
}

/// With which option it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Always,
    Grpc,
    Postgres,
}

impl Template {
    pub(super) fn is_wanted(&self, facts: &Facts) -> bool {
        match self.only {
            Only::Always => true,
            Only::Grpc => facts.grpc,
            Only::Postgres => facts.postgres,
        }
    }

    /// The text, with these facts.
    pub(super) fn render(&self, facts: &Facts) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_keep_trailing_newline(true);
        let rendered = environment.render_named_str(self.path, self.text, facts);
        rendered
            .map_err(|error| format!("the template of {} cannot be rendered: {error}", self.path))
    }
}

macro_rules! template {
    ($folder:literal, $path:literal, $only:ident) => {
        Template {
            path: $path,
            text: include_str!(concat!("../../templates/", $folder, "/", $path, ".j2")),
            only: Only::$only,
        }
    };
}

/// Those of a service.
pub(super) const SERVICE: [Template; 21] = [
    template!("service", "Cargo.toml", Always),
    template!("service", "src/main.rs", Always),
    template!("service", "src/lib.rs", Always),
    template!("service", "src/clients/mod.rs", Always),
    template!("service", "src/checks/mod.rs", Always),
    template!("service", "src/checks/database.rs", Postgres),
    template!("service", "src/operations/mod.rs", Always),
    template!("service", "src/database.rs", Postgres),
    template!("service", "src/grpc.rs", Grpc),
    template!("service", "build.rs", Grpc),
    template!("service", "tests/support/mod.rs", Always),
    template!("service", "tests/contract.rs", Always),
    template!("service", "tests/experiment.rs", Always),
    template!("service", "tests/measurement.rs", Always),
    template!("service", "resilience.toml", Always),
    template!("service", "mmf.toml", Always),
    template!("service", "Dockerfile", Always),
    template!("service", ".dockerignore", Always),
    template!("service", ".gitignore", Always),
    template!("service", ".github/workflows/ci.yml", Always),
    template!("service", "README.md", Always),
];

/// Those of parts, whose paths have the name of the part.
pub(super) struct Parts {
    pub(super) client: Template,
    pub(super) check: Template,
    pub(super) contract: Template,
    pub(super) experiment: Template,
    pub(super) operation: Template,
}

pub(super) const PARTS: Parts = Parts {
    client: template!("add", "client.rs", Always),
    check: template!("add", "check.rs", Always),
    contract: template!("add", "contract.rs", Always),
    experiment: template!("add", "experiment.rs", Always),
    operation: template!("add", "operation.rs", Always),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_rendered_with_every_option() {
        let name = Name::of_package("my-service").unwrap();
        for (grpc, postgres) in [(false, false), (true, false), (false, true), (true, true)] {
            let facts = Facts { grpc, postgres, service: "other".into(), ..Facts::of(&name) };
            for template in SERVICE.iter().filter(|template| template.is_wanted(&facts)) {
                let text = template.render(&facts).unwrap();
                assert!(!text.contains("{%") && !text.contains("{{"), "{}: {text}", template.path);
                assert!(text.ends_with('\n'), "{}", template.path);
            }
        }
        let Parts { client, check, contract, experiment, operation } = PARTS;
        for template in [client, check, contract, experiment, operation] {
            template.render(&Facts::of(&name)).unwrap();
        }
    }
}
