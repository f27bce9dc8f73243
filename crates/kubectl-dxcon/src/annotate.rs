//! `pause`, `resume` and `reconcile`: set and remove the annotations that control the operator.
//!
//! The annotations are written with the field manager [`MANAGER`]. Flux takes fields over from managers named `kubectl`
//! and resets them at its next sync. It leaves fields of other managers alone if no manifest contains them; so does
//! Argo CD.

use std::process::ExitCode;

use directconnect_operator::api::{PAUSED, RECONCILE_REQUESTED_AT};
use directconnect_operator::kubernetes::{Watched, words};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Annotate;
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal;

/// Field manager of these writes. Its name must not begin with `kubectl`.
pub const MANAGER: &str = "dxcon";

/// Field managers that compute from an earlier manifest what to remove, and may not have written all of it.
const CLIENT_SIDE: [&str; 4] =
    ["argocd-application-controller", "argocd-controller", "helm", "kubectl-client-side-apply"];

/// Which annotations to change, and the reason that the user gives.
enum Verb<'a> {
    Pause(Option<&'a str>),
    Resume(Option<&'a str>),
    Reconcile(Option<&'a str>),
}

/// What to do about one resource.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The annotations already are as wanted.
    Unchanged(&'static str),
    /// Merge these annotations, then print this text.
    Write(Value, &'static str),
    /// Nothing is written, since it would not last; the text says why.
    Refused(String),
}

/// Pauses the resources: nothing is sent to AWS for them until they are resumed. `--reason` becomes the value of the
/// annotation.
pub async fn pause(flags: &Annotate) -> Outcome {
    if let Some(reason) = flags.reason.as_deref() {
        check_pause_reason(reason)?;
    }
    for_each(flags, &Verb::Pause(flags.reason.as_deref())).await
}

/// Resumes the resources. `--reason` is written together with the time of the request.
pub async fn resume(flags: &Annotate) -> Outcome {
    for_each(flags, &Verb::Resume(flags.reason.as_deref())).await
}

/// Requests that AWS is read and the resources are reconciled at once. `--reason` is written together with the time of
/// the request.
pub async fn reconcile(flags: &Annotate) -> Outcome {
    for_each(flags, &Verb::Reconcile(flags.reason.as_deref())).await
}

/// A pause needs a reason other than `false`, which the operator takes for "not paused".
fn check_pause_reason(reason: &str) -> Result<(), Problem> {
    match reason.trim() {
        "" => Err(Problem::new("--reason is empty: say why, or leave it out")),
        "false" => Err(Problem::new("--reason false would not pause: with that value the annotation says not paused")),
        _ => Ok(()),
    }
}

async fn for_each(flags: &Annotate, verb: &Verb<'_>) -> Outcome {
    let cluster = Cluster::connect(&flags.cluster).await?;
    let mut failed = false;
    for name in &flags.names {
        match one(&cluster, name, verb).await {
            Ok(Annotated { result, notes }) => {
                let name = format!("{}.{}/{name}", Watched::kind(&()).to_lowercase(), Watched::group(&()));
                terminal::print(&format!("{name} {result}\n"))?;
                for note in notes {
                    anstream::eprintln!("{}: {note}", terminal::styled(terminal::WAITING, "note"));
                }
            }
            Err(Failure::Of(problem)) => {
                failed = true;
                anstream::eprintln!("kubectl-dxcon: {problem}");
            }
            // It would fail for the other names too.
            Err(Failure::OfCluster(problem)) => return Err(problem),
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was done about a resource.
struct Annotated {
    result: &'static str,
    notes: Vec<String>,
}

/// A failure, either for one name or for the whole cluster.
enum Failure {
    Of(Problem),
    OfCluster(Problem),
}

async fn one(cluster: &Cluster, name: &str, verb: &Verb<'_>) -> Result<Annotated, Failure> {
    let api: Api<Watched> = cluster.resources(false);
    let failed = |error: &kube::Error| failure(cluster, name, error);
    let metadata = api.get_metadata(name).await.map_err(|error| failed(&error))?.metadata;
    let notes = notes(&metadata, verb);
    match step(&metadata, name, verb, Timestamp::now()) {
        Step::Unchanged(result) => Ok(Annotated { result, notes }),
        Step::Refused(why) => Err(Failure::Of(Problem::new(why))),
        Step::Write(annotations, result) => {
            let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
            let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            let written = api.patch_metadata(name, &parameters, &patch).await.map_err(|error| failed(&error))?;
            if matches!(verb, Verb::Resume(_)) && is_paused(&written.metadata) {
                let words = format!("{name} stays paused: something has put the annotation {PAUSED} back at once");
                return Err(Failure::Of(Problem::new(words)));
            }
            Ok(Annotated { result, notes })
        }
    }
}

fn failure(cluster: &Cluster, name: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(answer) if answer.code == 404 && answer.message.contains(name) => {
            Failure::Of(cluster.not_found(name))
        }
        kube::Error::Api(answer) if matches!(answer.code, 401 | 404) => Failure::OfCluster(cluster.unlisted(error)),
        kube::Error::Api(answer) if answer.code == 403 => {
            Failure::Of(Problem::new(format!("{}; ask for the right to get and patch it", words(error))))
        }
        kube::Error::Api(_) => Failure::Of(Problem::new(format!("{name}: {}", words(error)))),
        _ => Failure::OfCluster(cluster.unanswered(error)),
    }
}

fn paused_by(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref().and_then(|annotations| annotations.get(PAUSED)).map(String::as_str)
}

/// Whether the operator takes the resource for paused: any value but `false` pauses.
fn is_paused(metadata: &ObjectMeta) -> bool {
    paused_by(metadata).is_some_and(|value| value != "false")
}

fn step(metadata: &ObjectMeta, name: &str, verb: &Verb<'_>, now: Timestamp) -> Step {
    let (value, is_paused) = (paused_by(metadata), is_paused(metadata));
    let requested = |reason: Option<&str>| match reason {
        Some(reason) => format!("{now} {reason}"),
        None => now.to_string(),
    };
    match verb {
        Verb::Pause(reason) if is_paused && reason.is_none_or(|reason| value == Some(reason)) => {
            if !is_by_kubectl(metadata, PAUSED) {
                return Step::Unchanged("is paused already, unchanged");
            }
            // Only another value makes this the manager of the annotation, and Flux would remove the one of kubectl.
            let taken_over = format!("{} (kubectl dxcon)", value.unwrap_or("true"));
            Step::Write(json!({ PAUSED: taken_over }), "paused")
        }
        Verb::Pause(reason) => Step::Write(json!({ PAUSED: reason.unwrap_or("true") }), "paused"),
        Verb::Resume(_) if !is_paused => Step::Unchanged("is not paused, unchanged"),
        Verb::Resume(reason) => match manifest_owners(metadata, ANNOTATIONS, PAUSED).as_slice() {
            [] if reason.is_some() => {
                Step::Write(json!({ PAUSED: null, RECONCILE_REQUESTED_AT: requested(*reason) }), "resumed")
            }
            [] => Step::Write(json!({ PAUSED: null }), "resumed"),
            owners => Step::Refused(format!(
                "{name} stays paused: {} has the annotation {PAUSED} from a manifest and would put it back; take it out there",
                owners.join(" and ")
            )),
        },
        Verb::Reconcile(reason) => {
            Step::Write(json!({ RECONCILE_REQUESTED_AT: requested(*reason) }), "reconcile requested")
        }
    }
}

/// The annotations in `managedFields`.
pub(crate) const ANNOTATIONS: &str = "/f:metadata/f:annotations";
/// The spec in `managedFields`.
pub(crate) const SPEC: &str = "/f:spec";

/// The field managers of a field of `parent`.
fn owners<'a>(metadata: &'a ObjectMeta, parent: &'a str, field: &str) -> impl Iterator<Item = &'a ManagedFieldsEntry> {
    let key = format!("f:{field}");
    metadata.managed_fields.iter().flatten().filter(move |entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.and_then(|fields| fields.pointer(parent)).is_some_and(|own| own.get(&key).is_some())
    })
}

/// Whether plain kubectl set an annotation. Flux takes such fields over, and removes what git does not say.
fn is_by_kubectl(metadata: &ObjectMeta, annotation: &str) -> bool {
    owners(metadata, ANNOTATIONS, annotation)
        .any(|entry| entry.manager.as_deref().is_some_and(|it| it.starts_with("kubectl")))
}

/// The field managers that set a field of `parent` from a manifest, and would set it again.
pub(crate) fn manifest_owners(metadata: &ObjectMeta, parent: &str, field: &str) -> Vec<String> {
    let entries = owners(metadata, parent, field).filter(|entry| writes_manifests(metadata, entry));
    entries.filter_map(|entry| entry.manager.clone()).collect()
}

/// Whether a field manager writes whole manifests, so that it removes what they do not contain any more.
///
/// Every manifest has `spec.connectionId`, which never changes. So who owns it has applied a manifest or created the object
/// from one; who does not has set single fields, even by server-side apply. What kubectl creates and replaces it does not
/// write again.
fn writes_manifests(metadata: &ObjectMeta, entry: &ManagedFieldsEntry) -> bool {
    let (manager, operation) = (entry.manager.as_deref().unwrap_or_default(), entry.operation.as_deref());
    let is_this = |owner: &ManagedFieldsEntry| (&owner.manager, &owner.operation) == (&entry.manager, &entry.operation);
    let has_whole = owners(metadata, SPEC, "connectionId").any(is_this);
    let is_by_hand = manager.starts_with("kubectl") || manager == MANAGER || manager == "before-first-apply";
    CLIENT_SIDE.contains(&manager) || (has_whole && (operation == Some("Apply") || !is_by_hand))
}

/// Notes for users who pause a resource by hand although a tool applies it from git.
fn notes(metadata: &ObjectMeta, verb: &Verb<'_>) -> Vec<String> {
    let Verb::Pause(_) = verb else { return Vec::new() };
    let owners = manifest_owners(metadata, ANNOTATIONS, PAUSED);
    if !owners.is_empty() {
        return vec![format!(
            "{} has the annotation from a manifest too, and will set it back at its next sync; pause it there",
            owners.join(" and ")
        )];
    }
    let hint = |tool: &str| {
        format!("{tool} applies it from git and leaves this annotation alone; a pause that is to last belongs in git")
    };
    gitops_tool(metadata).map(hint).into_iter().collect()
}

/// The tool that applies the resource from git, if any.
fn gitops_tool(metadata: &ObjectMeta) -> Option<&'static str> {
    let has_label = |prefix: &str| metadata.labels.iter().flatten().any(|(label, _)| label.starts_with(prefix));
    let has_manager = |name: &str| {
        metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref()).any(|it| it == name)
    };
    let is_tracked = metadata.annotations.iter().flatten().any(|(name, _)| name == "argocd.argoproj.io/tracking-id");
    if has_label("kustomize.toolkit.fluxcd.io/")
        || has_label("helm.toolkit.fluxcd.io/")
        || has_manager("kustomize-controller")
    {
        Some("Flux")
    } else if is_tracked || has_manager("argocd-controller") || has_manager("argocd-application-controller") {
        Some("Argo CD")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    /// Metadata with field managers: name, operation, annotation, and whether it has written the spec too.
    fn metadata(annotations: &Value, managers: &[(&str, &str, &str, bool)]) -> ObjectMeta {
        let entry = |(manager, operation, annotation, whole): &(&str, &str, &str, bool)| {
            let spec = if *whole { json!({ "f:connectionId": {} }) } else { json!({}) };
            json!({ "manager": manager, "operation": operation, "fieldsType": "FieldsV1",
                "fieldsV1": { "f:metadata": { "f:annotations": { format!("f:{annotation}"): {} } }, "f:spec": spec } })
        };
        let managed: Vec<Value> = managers.iter().map(entry).collect();
        serde_json::from_value(json!({ "name": "line", "annotations": annotations, "managedFields": managed }))
            .expect("it is metadata")
    }

    #[test]
    fn each_verb_writes_its_annotation_and_nothing_that_is_there_already() {
        let free = json!({});
        let paused = json!({ PAUSED: "true" });
        let off = json!({ PAUSED: "false" });
        let write = |annotations: Value, told| Step::Write(annotations, told);
        let cases = [
            (&free, Verb::Pause(None), write(json!({ PAUSED: "true" }), "paused")),
            (&off, Verb::Pause(None), write(json!({ PAUSED: "true" }), "paused")),
            (&free, Verb::Pause(Some("fibre works")), write(json!({ PAUSED: "fibre works" }), "paused")),
            (&paused, Verb::Pause(Some("fibre works")), write(json!({ PAUSED: "fibre works" }), "paused")),
            (&paused, Verb::Pause(None), Step::Unchanged("is paused already, unchanged")),
            (&paused, Verb::Resume(None), write(json!({ PAUSED: null }), "resumed")),
            (
                &paused,
                Verb::Resume(Some("done")),
                write(json!({ PAUSED: null, RECONCILE_REQUESTED_AT: format!("{NOW} done") }), "resumed"),
            ),
            (&free, Verb::Resume(None), Step::Unchanged("is not paused, unchanged")),
            (&off, Verb::Resume(None), Step::Unchanged("is not paused, unchanged")),
            (&paused, Verb::Reconcile(None), write(json!({ RECONCILE_REQUESTED_AT: NOW }), "reconcile requested")),
            (
                &free,
                Verb::Reconcile(Some("new key")),
                write(json!({ RECONCILE_REQUESTED_AT: format!("{NOW} new key") }), "reconcile requested"),
            ),
        ];
        for (annotations, verb, expected) in cases {
            let metadata = metadata(annotations, &[]);
            assert_eq!(step(&metadata, "line", &verb, NOW.parse().expect("it is a time")), expected);
        }
    }

    #[test]
    fn a_pause_from_a_manifest_is_told_with_who_applies_it_and_one_by_hand_is_not() {
        type Manager<'a> = (&'a str, &'a str, &'a str, bool);
        let cases: [(&[Manager<'_>], &[&str]); 10] = [
            (&[("kustomize-controller", "Apply", PAUSED, true)], &["kustomize-controller"]),
            (&[("helm-controller", "Update", PAUSED, true)], &["helm-controller"]),
            (&[("argocd-controller", "Update", PAUSED, false)], &["argocd-controller"]),
            (&[("kubectl-client-side-apply", "Update", PAUSED, false)], &["kubectl-client-side-apply"]),
            (&[("kubectl", "Apply", PAUSED, true)], &["kubectl"]),
            (&[("kubectl-create", "Update", PAUSED, true)], &[]),
            (&[("kubectl-annotate", "Update", PAUSED, false)], &[]),
            (&[("oncall", "Apply", PAUSED, false)], &[]),
            (&[(MANAGER, "Update", PAUSED, false)], &[]),
            (&[("kustomize-controller", "Apply", "example.com/other", true)], &[]),
        ];
        for (managers, expected) in cases {
            assert_eq!(manifest_owners(&metadata(&json!({}), managers), ANNOTATIONS, PAUSED), expected, "{managers:?}");
        }
    }

    #[test]
    fn a_pause_of_plain_kubectl_is_taken_over_since_flux_would_remove_it() {
        let now: Timestamp = NOW.parse().expect("it is a time");
        for (manager, expected) in [("kubectl-annotate", Some("true (kubectl dxcon)")), (MANAGER, None)] {
            let metadata = metadata(&json!({ PAUSED: "true" }), &[(manager, "Update", PAUSED, false)]);
            let expected = match expected {
                Some(value) => Step::Write(json!({ PAUSED: value }), "paused"),
                None => Step::Unchanged("is paused already, unchanged"),
            };
            assert_eq!(step(&metadata, "line", &Verb::Pause(None), now), expected, "{manager}");
        }
    }

    #[test]
    fn a_reason_that_would_not_pause_is_refused() {
        for (reason, is_taken) in [("fibre works", true), ("False", true), ("false", false), (" ", false)] {
            assert_eq!(check_pause_reason(reason).is_ok(), is_taken, "{reason:?}");
        }
    }

    #[test]
    fn the_manager_is_none_that_flux_takes_over() {
        assert!(!MANAGER.starts_with("kubectl") && MANAGER != "before-first-apply");
    }
}
