//! Granted and used permissions of a service account, from roles and bindings and from the audit log.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::Path;

use serde_json::Value;
use test_support::ControlPlane;

/// A service account.
pub struct Account {
    pub namespace: String,
    pub name: String,
}

impl Account {
    /// Its user name.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// One verb on one kind of resource, either granted or requested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: String,
    /// The resource with its group and subresource, as in `leases.coordination.k8s.io` and `nodes/status`.
    pub resource: String,
    /// `None`: any name (granted), or no name (requested).
    pub name: Option<String>,
    /// `None`: all namespaces (granted), or no namespace (requested).
    pub namespace: Option<String>,
}

impl Right {
    fn new(verb: &Value, group: &Value, resource: &str, name: &Value, namespace: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(it, sub)| (it, Some(sub)));
        let group = text(group).map(|group| format!(".{group}")).unwrap_or_default();
        let subresource = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        Self {
            verb: text(verb).unwrap_or_default(),
            resource: format!("{resource}{group}{subresource}"),
            name: text(name),
            namespace: text(namespace),
        }
    }

    /// Whether this permission allows a request. Wildcards are not supported, so they count as unused.
    fn covers(&self, request: &Self) -> bool {
        self.verb == request.verb
            && self.resource == request.resource
            && (self.name.is_none() || self.name == request.name)
            && (self.namespace.is_none() || self.namespace == request.namespace)
    }
}

impl Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, name, namespace } = self;
        write!(f, "{verb} {resource}")?;
        name.iter().try_for_each(|name| write!(f, " {name}"))?;
        namespace.iter().try_for_each(|namespace| write!(f, " in {namespace}"))
    }
}

/// All permissions that roles grant to a service account by name. Those of every account, such as discovery, are not
/// included.
pub async fn granted(control_plane: &ControlPlane, account: &Account) -> BTreeSet<Right> {
    let bindings = listed(control_plane, "clusterrolebindings,rolebindings").await;
    let roles = listed(control_plane, "clusterroles,roles").await;
    let mut rights = BTreeSet::new();
    for binding in bindings.iter().filter(|binding| binds(binding, account)) {
        let namespace = &binding["metadata"]["namespace"];
        let of_cluster = binding["roleRef"]["kind"] == "ClusterRole";
        let role = roles.iter().find(|role| {
            role["kind"] == binding["roleRef"]["kind"]
                && role["metadata"]["name"] == binding["roleRef"]["name"]
                && (of_cluster || role["metadata"]["namespace"] == *namespace)
        });
        let role = role.unwrap_or_else(|| panic!("there is no role of {binding}"));
        for rule in each(&role["rules"]) {
            let names = if rule["resourceNames"].is_array() { each(&rule["resourceNames"]) } else { &[Value::Null] };
            for (group, resource, name, verb) in combined(rule, names) {
                let resource = resource.as_str().unwrap_or_default();
                rights.insert(Right::new(verb, group, resource, name, namespace));
            }
        }
    }
    rights
}

/// All combinations of groups, resources, names and verbs of a rule.
fn combined<'a>(
    rule: &'a Value,
    names: &'a [Value],
) -> impl Iterator<Item = (&'a Value, &'a Value, &'a Value, &'a Value)> {
    each(&rule["apiGroups"]).iter().flat_map(move |group| {
        each(&rule["resources"]).iter().flat_map(move |resource| {
            names
                .iter()
                .flat_map(move |name| each(&rule["verbs"]).iter().map(move |verb| (group, resource, name, verb)))
        })
    })
}

fn binds(binding: &Value, account: &Account) -> bool {
    each(&binding["subjects"]).iter().any(|subject| {
        subject["kind"] == "ServiceAccount"
            && subject["name"] == account.name.as_str()
            && subject["namespace"] == account.namespace.as_str()
    })
}

async fn listed(control_plane: &ControlPlane, kinds: &str) -> Vec<Value> {
    let list = control_plane.kubectl(&["get", kinds, "--all-namespaces", "--output", "json"], "").await.text();
    let list: Value = serde_json::from_str(&list).expect("kubectl prints JSON");
    each(&list["items"]).to_vec()
}

fn each(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The differences between granted and used permissions, one line each; empty if there are none.
pub fn differences(granted: &BTreeSet<Right>, audit: &Path, account: &Account) -> Vec<String> {
    let log = std::fs::read_to_string(audit).expect("the API server writes an audit log");
    let its_name = account.user();
    // The last line may be incomplete.
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let records: Vec<Value> = records.filter(|record| record["user"]["username"] == its_name.as_str()).collect();
    let mut said = BTreeSet::new();
    let mut used = BTreeSet::new();
    for record in &records {
        let request = request(record);
        if record["annotations"]["authorization.k8s.io/decision"] != "allow" {
            said.insert(format!("refused: {request}"));
        } else if record["objectRef"].is_object() {
            let by: Vec<&Right> = granted.iter().filter(|right| right.covers(&request)).collect();
            if by.is_empty() {
                said.insert(format!("done without a right of its own: {request}"));
            }
            used.extend(by);
        }
    }
    said.extend(
        granted.iter().filter(|right| !used.contains(right)).map(|right| format!("granted and never used: {right}")),
    );
    said.into_iter().collect()
}

/// The request of a record in the audit log: a resource, or a path such as those of discovery.
fn request(record: &Value) -> Right {
    let about = &record["objectRef"];
    let uri = record["requestURI"].as_str().unwrap_or_default();
    let resource = match (about["resource"].as_str(), about["subresource"].as_str()) {
        (Some(resource), Some(subresource)) => format!("{resource}/{subresource}"),
        (Some(resource), None) => resource.to_owned(),
        (None, _) => uri.to_owned(),
    };
    Right::new(&record["verb"], &about["apiGroup"], &resource, &about["name"], &about["namespace"])
}
