//! Which keys a policy has something for, and what to write in its code where it has not.

use super::registry::Policy;

impl Policy {
    /// Whether it has something that this key, as a whole, sets from outside.
    ///
    /// # Errors
    ///
    /// Where it has not: what to write in its code.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use std::time::Duration;
    /// use mmf::resilience::Pipeline;
    ///
    /// let users = Pipeline::builder("users.accepts").timeout(Duration::from_secs(2)).build();
    /// assert_eq!(users.policy().accepts("timeout"), Ok(()));
    /// let wrong = users.policy().accepts("retry.max_attempts").unwrap_err();
    /// assert!(wrong.starts_with("`users.accepts` has no `retry`: call `.retry(…)` on its builder"));
    /// ```
    pub fn accepts(&self, key: &str) -> Result<(), String> {
        let (shown, name) = (self.shown(), self.name());
        let (group, own) = key.split_once('.').unwrap_or((key, ""));
        let is_local = shown.local.contains(&group);
        if is_local && !matches!(own, "enabled" | "on_refusal") {
            return Err(format!(
                "the `{group}` of `{name}` depends on each call, so that it can be changed in the code alone ({})",
                self.location()
            ));
        }
        let has = match group {
            "enabled" if shown.carries_refusals || shown.has_value => true,
            "enabled" => return Err(self.cannot_stop()),
            "deadline" => shown.deadline.is_some(),
            "timeout" => shown.timeout.is_some(),
            "retry" => is_local || shown.retry.is_some(),
            "hedge" => is_local || shown.hedge.is_some(),
            "breaker" => is_local || shown.breaker.is_some() || shown.breakers.is_some(),
            "rate_limit" => is_local || shown.rate_limit.is_some() || shown.rate_limits.is_some(),
            "bulkhead" => is_local || shown.bulkhead.is_some() || shown.bulkheads.is_some(),
            "fallback" => shown.has_fallback,
            "disable_at" if shown.feature.is_some() => true,
            "disable_at" => {
                let write = "feature = \"recommendations\", disable_at = …";
                return Err(self.lacks("feature", write));
            }
            _ => false,
        };
        if !has {
            return Err(self.has_no(group, own));
        }
        let by_key = match group {
            "breaker" => shown.breakers.is_some(),
            "rate_limit" => shown.rate_limits.is_some(),
            "bulkhead" => shown.bulkheads.is_some(),
            _ => true,
        };
        if own == "max_keys" && !by_key {
            return Err("`max_keys` does nothing without `key(…)`".into());
        }
        let inner = match own.split_once('.') {
            Some(("adaptive", _)) => Some(("bulkhead(adaptive)", self.is_adaptive())),
            Some(("stale", _)) => Some(("fallback(stale(key(…)))", shown.stale.is_some())),
            _ => None,
        };
        match inner {
            Some((write, false)) => Err(self.lacks(own.split('.').next().unwrap_or(own), write)),
            _ => Ok(()),
        }
    }

    fn cannot_stop(&self) -> String {
        format!(
            "`{}` cannot be turned off, as a call that is not made could neither be refused nor answered: none of its policies \
             refuses, so write `refused(…)` in its attribute, which says how a refusal becomes an error, or a \
             `fallback(value(…))` ({})",
            self.name(),
            self.location()
        )
    }

    fn is_adaptive(&self) -> bool {
        self.settings().iter().any(|setting| setting.key.starts_with("bulkhead.adaptive."))
    }

    fn has_no(&self, group: &str, own: &str) -> String {
        let write = match own {
            "" => format!("{group} = …"),
            "enabled" => group.to_owned(),
            own => format!("{group}({own} = …)"),
        };
        self.lacks(group, &write)
    }

    fn lacks(&self, group: &str, write: &str) -> String {
        let (name, location) = (self.name(), self.location());
        if self.is_pipeline() {
            let hint = match group {
                "fallback" | "stale" => "a pipeline's fallback is said at each call".to_owned(),
                group => format!("call `.{group}(…)` on its builder"),
            };
            return format!("`{name}` has no `{group}`: {hint} ({location})");
        }
        format!("`{name}` has no `{group}`: write `{write}` in its attribute ({location})")
    }
}
