//! What a reload has changed, and what it could not.

use serde_json::{Value, json};

use crate::config::{Effective, Reload};

/// What came of a reload, by when it takes effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// What counts for everybody from now on.
    pub applied: Vec<Change>,
    /// What counts for connections that come from now on.
    pub new_connections: Vec<Change>,
    /// What counts with the next start. It is said again by each reload until then.
    pub needs_restart: Vec<Change>,
    /// How many settings and sections say what they said before.
    pub unchanged: usize,
    /// What is permitted and probably not meant.
    pub warnings: Vec<String>,
}

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The variable, or the section of the file.
    pub name: String,
    /// The values before and now, a secret as `***`; none of a section.
    pub values: Option<[String; 2]>,
    /// Why it needs a restart, where another value of it would not.
    pub why: Option<&'static str>,
}

impl Change {
    pub(super) fn of_setting(
        before: &Effective,
        now: &Effective,
        why: Option<&'static str>,
    ) -> Self {
        let values = Some([before.value.clone(), now.value.clone()]);
        Self { name: now.setting.env.to_owned(), values, why }
    }

    pub(super) fn of_part(name: &str) -> Self {
        Self { name: name.to_owned(), values: None, why: None }
    }

    /// The values are in what asks for them: of one that is a list of a hundred addresses the log says that it
    /// changed.
    fn in_log(&self) -> String {
        match self.why {
            Some(why) => format!("{} ({why})", self.name),
            None => self.name.clone(),
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({ "name": self.name });
        if let Some([from, to]) = &self.values {
            (json["from"], json["to"]) = (from.as_str().into(), to.as_str().into());
        }
        if let Some(why) = self.why {
            json["why"] = why.into();
        }
        json
    }
}

impl ReloadReport {
    pub(super) fn add(&mut self, reload: Reload, change: Change) {
        match reload {
            Reload::Live => self.applied.push(change),
            Reload::NewConnections => self.new_connections.push(change),
            Reload::Restart => self.needs_restart.push(change),
        }
    }

    /// As `POST /api/reload` answers it.
    #[must_use]
    pub fn json(&self) -> Value {
        let all = |changes: &[Change]| changes.iter().map(Change::json).collect::<Vec<_>>();
        json!({
            "applied": all(&self.applied),
            "newConnections": all(&self.new_connections),
            "needsRestart": all(&self.needs_restart),
            "unchanged": self.unchanged,
            "warnings": self.warnings,
        })
    }

    pub(super) fn log(&self) {
        let names = |changes: &[Change]| {
            let names: Vec<String> = changes.iter().map(Change::in_log).collect();
            names.join(", ")
        };
        tracing::info!(
            target: "audit",
            applied = names(&self.applied),
            new_connections = names(&self.new_connections),
            needs_restart = names(&self.needs_restart),
            unchanged = self.unchanged,
            "reloaded"
        );
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}
