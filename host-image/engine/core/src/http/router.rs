//! Which workload answers for a name and a path.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{EngineError, Kind, Result};
use crate::workload::Workload;

/// The routes of all workloads; a new table is made for each change, and read without a lock.
#[derive(Clone, Default)]
pub struct Routes {
    exact: HashMap<String, Name>,
    /// By what follows the star, with its leading dot.
    suffixes: HashMap<String, Name>,
}

/// What is routed under one name. It belongs to one namespace.
#[derive(Clone)]
struct Name {
    namespace: String,
    /// Longest prefix first.
    paths: Vec<PathRoute>,
}

#[derive(Clone)]
struct PathRoute {
    /// Without a slash at its end; empty for every path.
    prefix: String,
    replicas: Vec<Arc<Workload>>,
}

impl Routes {
    /// These routes and those of `workload`.
    ///
    /// # Errors
    /// `route` when a name belongs to another namespace, `config` when a name is none.
    pub fn with(&self, workload: &Arc<Workload>) -> Result<Self> {
        let mut routes = self.clone();
        let spec = &workload.spec;
        let prefix = spec.path_prefix.as_deref().unwrap_or("").trim_end_matches('/');
        for host in &spec.hosts {
            let host = normal_name(host)?;
            let table = if host.starts_with('.') {
                &mut routes.suffixes
            } else {
                &mut routes.exact
            };
            let name = table.entry(host.clone()).or_insert_with(|| Name {
                namespace: spec.namespace.clone(),
                paths: Vec::new(),
            });
            if name.namespace != spec.namespace {
                let star = if host.starts_with('.') { "*" } else { "" };
                return Err(EngineError::new(
                    Kind::Route,
                    format!(
                        "workload {} can't have the HTTP name {star}{host}: namespace {} claimed it first",
                        spec.full_name(),
                        name.namespace
                    ),
                ));
            }
            name.add(prefix, workload);
        }
        Ok(routes)
    }

    /// These routes, those of the workloads alone that `stays`.
    pub fn keeping(&self, stays: impl Fn(&Workload) -> bool) -> Self {
        let mut routes = self.clone();
        for table in [&mut routes.exact, &mut routes.suffixes] {
            for name in table.values_mut() {
                for path in &mut name.paths {
                    path.replicas.retain(|w| stays(w));
                }
                name.paths.retain(|path| !path.replicas.is_empty());
            }
            table.retain(|_, name| !name.paths.is_empty());
        }
        routes
    }

    /// Whether a workload answers for a host (lower-case, without its port) at all.
    pub fn has(&self, host: &str) -> bool {
        let mut dots = host.char_indices().skip(1).filter(|(_, c)| *c == '.');
        self.exact.contains_key(host) || dots.any(|(at, _)| self.suffixes.contains_key(&host[at..]))
    }

    /// The least busy replica for a host (lower-case, without its port) and a path; the exact name goes before the longest suffix.
    pub fn find(&self, host: &str, path: &str) -> Option<&Arc<Workload>> {
        if let Some(found) = self.exact.get(host).and_then(|name| name.find(path)) {
            return Some(found);
        }
        if self.suffixes.is_empty() {
            return None;
        }
        // The star stands for at least one character, so a dot at the very start is no match.
        let dots = host.char_indices().skip(1).filter(|(_, c)| *c == '.');
        dots.filter_map(|(at, _)| self.suffixes.get(&host[at..]))
            .find_map(|name| name.find(path))
    }
}

impl Name {
    fn add(&mut self, prefix: &str, workload: &Arc<Workload>) {
        if let Some(path) = self.paths.iter_mut().find(|path| path.prefix == prefix) {
            if !path.replicas.iter().any(|w| w.spec.id == workload.spec.id) {
                path.replicas.push(workload.clone());
            }
            return;
        }
        self.paths.push(PathRoute {
            prefix: prefix.to_owned(),
            replicas: vec![workload.clone()],
        });
        self.paths
            .sort_by_key(|path| std::cmp::Reverse(path.prefix.len()));
    }

    fn find(&self, path: &str) -> Option<&Arc<Workload>> {
        let covers = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        let route = self.paths.iter().find(|route| covers(&route.prefix))?;
        match route.replicas.as_slice() {
            [only] => Some(only),
            // One that is still starting answers only when there is no other.
            many => many.iter().min_by_key(|w| (w.ready().is_none(), w.in_flight())),
        }
    }
}

/// A name as the table has it: lower-case, a suffix without its star.
fn normal_name(host: &str) -> Result<String> {
    let lower = host.trim().trim_end_matches('.').to_ascii_lowercase();
    let name = lower.strip_prefix('*').unwrap_or(&lower);
    let is_wild = name.len() < lower.len();
    let labels = if is_wild {
        name.strip_prefix('.').unwrap_or("")
    } else {
        name
    };
    let is_label = |l: &str| {
        !l.is_empty()
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if labels.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err(EngineError::config(format!(
        "{host:?} is no HTTP name: expected a host name or *.suffix, without a port"
    )))
}

/// The host that a Host header or an authority spells: lower-case, without its port.
pub fn host_of(authority: &str) -> String {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(authority, |(address, _)| address),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::interfaces::Providers;
    use crate::settings::WorkloadSpec;
    use crate::workload::RequestLimits;

    fn workload(id: &str, namespace: &str, hosts: &[&str], prefix: Option<&str>) -> Arc<Workload> {
        let spec = WorkloadSpec {
            id: id.into(),
            namespace: namespace.into(),
            name: id.into(),
            hosts: hosts.iter().map(|h| h.to_string()).collect(),
            path_prefix: prefix.map(Into::into),
            components: Vec::new(),
            service: None,
            host_interfaces: Vec::new(),
        };
        Workload::new(
            spec,
            Providers::default(),
            RequestLimits {
                timeout: Duration::from_secs(1),
                most_in_flight: 1,
            },
        )
    }

    fn routes(workloads: &[Arc<Workload>]) -> Routes {
        workloads
            .iter()
            .fold(Routes::default(), |routes, w| routes.with(w).unwrap())
    }

    fn find(routes: &Routes, authority: &str, path: &str) -> Option<String> {
        routes.find(&host_of(authority), path).map(|w| w.spec.id.clone())
    }

    #[test]
    fn exact_names_go_before_suffixes_and_long_ones_before_short() {
        let table = routes(&[
            workload("exact", "n", &["A.x.y"], None),
            workload("wide", "n", &["*.y"], None),
            workload("near", "n", &["*.x.y"], None),
        ]);
        for (authority, expected) in [
            ("a.X.y:8080", Some("exact")),
            ("a.x.y.", Some("exact")),
            ("b.x.y", Some("near")),
            ("c.b.x.y", Some("near")),
            ("x.y", Some("wide")),
            ("y", None),
            (".x.y", Some("wide")),
            ("ax.z", None),
            ("", None),
        ] {
            assert_eq!(find(&table, authority, "/").as_deref(), expected, "{authority:?}");
        }
    }

    #[test]
    fn the_longest_path_prefix_wins_at_a_slash() {
        let table = routes(&[
            workload("all", "n", &["h"], None),
            workload("api", "n", &["h"], Some("/api/")),
            workload("v2", "n", &["h"], Some("/api/v2")),
        ]);
        for (path, expected) in [
            ("/", "all"),
            ("/api", "api"),
            ("/api/x", "api"),
            ("/apix", "all"),
            ("/api/v2/x", "v2"),
            ("/api/v20", "api"),
        ] {
            assert_eq!(find(&table, "h", path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_name_belongs_to_the_namespace_that_claimed_it() {
        let first = workload("1", "one", &["h", "*.h"], None);
        let table = routes(std::slice::from_ref(&first));
        let error = table.with(&workload("2", "two", &["h"], None)).err().unwrap();
        assert_eq!(error.kind, Kind::Route);
        assert_eq!(
            error.message,
            "workload two/2 can't have the HTTP name h: namespace one claimed it first"
        );
        let error = table.with(&workload("2", "two", &["*.h"], None)).err().unwrap();
        assert!(error.message.contains("*.h"), "{error}");
        table
            .keeping(|w| w.spec.id != "1")
            .with(&workload("2", "two", &["h"], None))
            .unwrap();
        assert!(table.with(&workload("3", "one", &["h"], None)).is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for host in ["", "*", "*foo", "a..b", "a b", "a:80", "*.*.b", "[::1]", "*."] {
            let error = Routes::default().with(&workload("1", "n", &[host], None)).err();
            assert!(error.is_some_and(|e| e.kind == Kind::Config), "{host:?}");
        }
    }

    #[test]
    fn hosts_are_found_in_authorities() {
        for (authority, host) in [
            ("Example.COM:80", "example.com"),
            ("[::1]:80", "::1"),
            ("[::1]", "::1"),
            ("h", "h"),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
