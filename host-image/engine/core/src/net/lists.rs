//! The three lists of a component together: parsed as one, every bad entry reported at once.

use super::lookups::NameRule;
use super::loopback_ports::PortRule;
use super::rules::{HostRule, Scheme};
use crate::error::{EngineError, Kind, Result};
use crate::settings::ComponentSpec;

/// The lists of one component, valid.
#[derive(Clone, Debug, Default)]
pub struct AllowLists {
    pub hosts: Vec<HostRule>,
    pub names: Vec<NameRule>,
    /// TCP ports of the machine's loopback.
    pub machine_ports: Vec<u16>,
}

impl AllowLists {
    /// The lists of `component`; the host's own rules stand in where it brings none for HTTP. Ports of the machine's
    /// loopback take a host that allows them.
    ///
    /// # Errors
    /// `egress`, with every bad entry of every list and its reason.
    pub fn of(
        component: &ComponentSpec,
        default_hosts: &[HostRule],
        allow_host_loopback: bool,
    ) -> Result<Self> {
        let fault = faults(
            &component.allowed_hosts,
            &component.allowed_ip_name_lookups,
            &component.allowed_host_loopback_ports,
        );
        let refuse = |text: String| {
            let text = format!("invalid local_resources for component {}: {text}", component.name);
            Err(EngineError::new(Kind::Egress, text))
        };
        if let Some(text) = fault {
            return refuse(text);
        }
        let machine_ports = match machine_ports(&component.allowed_host_loopback_ports, allow_host_loopback) {
            Ok(ports) => ports,
            Err(text) => return refuse(format!("allowed_host_loopback_ports: {text}")),
        };
        let hosts: Vec<_> = component
            .allowed_hosts
            .iter()
            .flat_map(|e| HostRule::parse(e))
            .collect();
        Ok(Self {
            hosts: if hosts.is_empty() {
                default_hosts.to_vec()
            } else {
                hosts
            },
            names: component
                .allowed_ip_name_lookups
                .iter()
                .flat_map(|e| NameRule::parse(e))
                .collect(),
            machine_ports,
        })
    }

    pub fn allow_request(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|rule| rule.allows(scheme, host, port))
    }

    pub fn allow_lookup(&self, name: &str) -> bool {
        self.names.iter().any(|rule| rule.allows(name))
    }
}

/// The TCP ports that valid entries open, where this host lets them.
fn machine_ports(entries: &[String], allow_host_loopback: bool) -> Result<Vec<u16>, String> {
    if !entries.is_empty() && !allow_host_loopback {
        let text =
            "this host does not let workloads reach its own loopback; start it with --allow-host-loopback";
        return Err(text.into());
    }
    let rules: Vec<_> = entries.iter().flat_map(|e| PortRule::parse(e)).collect();
    if let Some(rule) = rules.iter().find(|rule| rule.is_udp_alone) {
        return Err(format!(
            "this host opens no UDP to its own loopback: {}/udp",
            rule.port
        ));
    }
    Ok(rules.iter().map(|rule| rule.port).collect())
}

/// None when every entry is good, else one sentence that lists every bad entry with its reason.
pub fn faults(hosts: &[String], names: &[String], ports: &[String]) -> Option<String> {
    let bad = |list: &str, entries: &[String], parse: &dyn Fn(&str) -> Result<(), String>| {
        let found: Vec<_> = entries
            .iter()
            .filter_map(|e| parse(e).err().map(|reason| format!("{e:?}: {reason}")))
            .collect();
        (!found.is_empty()).then(|| format!("invalid {list}: {}", found.join("; ")))
    };
    let all: Vec<_> = [
        bad("allowed_hosts", hosts, &|e| HostRule::parse(e).map(drop)),
        bad("allowed_ip_name_lookups", names, &|e| {
            NameRule::parse(e).map(drop)
        }),
        bad("allowed_host_loopback_ports", ports, &|e| {
            PortRule::parse(e).map(drop)
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(hosts: &[&str]) -> ComponentSpec {
        let json = serde_json::json!({"name": "web", "path": "/w", "allowed_hosts": hosts});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn every_bad_entry_is_listed() {
        let error = AllowLists::of(&component(&["*foo", "ok.example", "ftp://x"]), &[], false).unwrap_err();
        assert_eq!(error.kind, Kind::Egress);
        let expected = "invalid local_resources for component web: invalid allowed_hosts: \
                        \"*foo\": wildcard must be of the form *.<rest>; \"ftp://x\": unknown scheme \"ftp\"";
        assert_eq!(error.message, expected);
    }

    #[test]
    fn the_hosts_rules_stand_in_for_an_empty_list_alone() {
        let defaults = [HostRule::parse("default.example").unwrap()];
        let own = AllowLists::of(&component(&["own.example"]), &defaults, false).unwrap();
        assert!(!own.allow_request(Scheme::Http, "default.example", 80));
        let none = AllowLists::of(&component(&[]), &defaults, false).unwrap();
        assert!(none.allow_request(Scheme::Http, "default.example", 80));
        assert!(!none.allow_lookup("default.example"));
    }

    #[test]
    fn loopback_ports_are_refused_rather_than_ignored() {
        let mut spec = component(&[]);
        spec.allowed_host_loopback_ports = vec!["5432".into()];
        let error = AllowLists::of(&spec, &[], false).unwrap_err();
        assert!(error.message.contains("--allow-host-loopback"), "{error}");
        assert_eq!(
            AllowLists::of(&spec, &[], true).unwrap().machine_ports,
            [5432],
            "a host that allows it"
        );
        spec.allowed_host_loopback_ports = vec!["5432/tcp".into(), "53/udp".into()];
        let error = AllowLists::of(&spec, &[], true).unwrap_err();
        assert!(
            error.message.ends_with("no UDP to its own loopback: 53/udp"),
            "{error}"
        );
    }
}
