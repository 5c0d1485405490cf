//! Stacks by Docker's own command, which alone knows Compose files.
//!
//! It creates the services of a stack one by one, and says nowhere how many
//! there should be. So a stack that was deployed whole is marked on every one
//! of its services, with the digest of its file and the number of services: a
//! deployment that was cut, a service that somebody removed and a file of
//! another content can all be told from a stack that is as it should be.

use anyhow::{Context, Result, anyhow, bail};
use ashlar_cluster::Stack;
use bollard::models::Service;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// The label by which Docker's client marks the services of a stack.
const NAMESPACE: &str = "com.docker.stack.namespace";

/// Our own marks.
const DIGEST: &str = "ashlar.stack.digest";
const SERVICES: &str = "ashlar.stack.services";

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The stacks that these services belong to: those that carry a mark of ours,
/// or whose name is one of `shipped`. Whatever else runs is somebody else's.
pub(super) fn stacks(services: &[Service], shipped: &BTreeSet<String>) -> Vec<Stack> {
    let mut found: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in services {
        if let Some(name) = label(service, NAMESPACE) {
            found.entry(name).or_default().push(service);
        }
    }
    let ours = |(name, services): &(&str, Vec<&Service>)| {
        shipped.contains(*name) || services.iter().any(|s| label(s, DIGEST).is_some())
    };
    found.into_iter().filter(ours).map(|(name, services)| stack(name, &services)).collect()
}

fn stack(name: &str, services: &[&Service]) -> Stack {
    let digests: BTreeSet<_> = services.iter().map(|s| label(s, DIGEST)).collect();
    let of = services.iter().filter_map(|s| label(s, SERVICES)?.parse().ok()).max();
    let tasks = services.iter().filter_map(|s| s.service_status.as_ref());
    let (running, desired) = tasks.fold((0, 0), |(running, desired), tasks| {
        (running + tasks.running_tasks.unwrap_or(0), desired + tasks.desired_tasks.unwrap_or(0))
    });
    let count = u32::try_from(services.len()).unwrap_or(u32::MAX);
    Stack {
        name: name.to_owned(),
        digest: match digests.first() {
            Some(digest) if digests.len() == 1 => digest.map(str::to_owned),
            _ => None,
        },
        services: count,
        of: of.unwrap_or(count),
        running,
        desired,
    }
}

fn label<'a>(service: &'a Service, name: &str) -> Option<&'a str> {
    service.spec.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
}

/// Those of these objects of the Swarm that no stack has which the image ships, in words.
pub(super) fn of_people(
    all: impl Iterator<Item = (&'static str, (Option<String>, Option<HashMap<String, String>>))>,
    shipped: &BTreeSet<String>,
) -> Vec<String> {
    let ours = |labels: &Option<HashMap<String, String>>| {
        labels.as_ref().and_then(|l| l.get(NAMESPACE)).is_some_and(|name| shipped.contains(name))
    };
    let people = all.filter(|(_, (_, labels))| !ours(labels));
    let mut words: Vec<_> = people
        .map(|(kind, (name, _))| {
            format!("{kind} {}", name.unwrap_or_else(|| "without a name".into()))
        })
        .collect();
    words.sort();
    words
}

/// Names of the services of a stack.
pub(super) fn services_of(services: &[Service], stack: &str) -> Vec<String> {
    let of = services.iter().filter(|s| label(s, NAMESPACE) == Some(stack));
    of.filter_map(|s| s.spec.as_ref()?.name.clone()).collect()
}

/// `docker stack deploy`, which also removes services that the file has no more.
pub(super) async fn deploy(home: &Path, file: &Path, stack: &str) -> Result<()> {
    let args = ["stack", "deploy", "--detach=true", "--prune", "--compose-file"];
    let args = args.map(OsStr::new).into_iter().chain([file.as_os_str(), OsStr::new(stack)]);
    docker(home, args).await
}

/// Marks a service as part of a stack that was deployed whole. It changes
/// nothing about its tasks.
pub(super) async fn mark(home: &Path, service: &str, digest: &str, services: usize) -> Result<()> {
    let digest = format!("{DIGEST}={digest}");
    let services = format!("{SERVICES}={services}");
    let args = ["service", "update", "--quiet", "--detach=true", "--label-add", &digest];
    let rest = ["--label-add", &services, service];
    docker(home, args.into_iter().chain(rest).map(OsStr::new)).await
}

/// `docker stack rm`.
pub(super) async fn remove(home: &Path, stack: &str) -> Result<()> {
    docker(home, ["stack", "rm", stack].map(OsStr::new)).await
}

async fn docker<'a>(home: &Path, args: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let args: Vec<_> = args.into_iter().collect();
    let words: Vec<_> = args.iter().map(|a| a.to_string_lossy()).collect();
    let what = format!("`docker {}`", words.join(" "));
    let child = Command::new("docker")
        .args(&args)
        // The client keeps its own files in a home, which the agent has not.
        .env("DOCKER_CONFIG", home)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = timeout(PATIENCE, child)
        .await
        .map_err(|_| anyhow!("{what} hangs"))?
        .with_context(|| format!("cannot run {what}"))?;
    if !done.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(stack: &str, marks: Option<(&str, u32)>) -> Service {
        let mut labels = json!({ NAMESPACE: stack });
        if let Some((digest, services)) = marks {
            labels[DIGEST] = digest.into();
            labels[SERVICES] = services.to_string().into();
        }
        let status = json!({"RunningTasks": 1, "DesiredTasks": 2});
        let spec = json!({"Name": format!("{stack}_x"), "Labels": labels});
        serde_json::from_value(json!({"Spec": spec, "ServiceStatus": status})).unwrap()
    }

    fn seen(services: &[Service]) -> Vec<(String, bool)> {
        let found = stacks(services, &BTreeSet::from(["portal".to_owned()]));
        found.into_iter().map(|stack| (stack.name.clone(), stack.is("new"))).collect()
    }

    #[test]
    fn only_a_stack_that_is_marked_whole_and_is_whole_counts_as_deployed() {
        let whole = service("portal", Some(("new", 2)));
        let seen_as = |services: &[Service]| seen(services)[0].1;
        assert!(seen_as(&[whole.clone(), whole.clone()]));
        assert!(!seen_as(std::slice::from_ref(&whole)), "one was removed");
        assert!(!seen_as(&[whole.clone(), service("portal", None)]), "marking it was cut");
        assert!(!seen_as(&[service("portal", None)]), "deploying it was cut");
        let old = service("portal", Some(("old", 2)));
        assert!(!seen_as(&[old.clone(), old]), "its file changed");
    }

    #[test]
    fn what_the_agent_did_not_deploy_is_not_its_own() {
        let services = [service("customer", None), service("till", Some(("new", 1)))];
        assert_eq!(seen(&services), [("till".to_owned(), true)]);
    }

    #[test]
    fn the_tasks_of_a_stack_are_counted() {
        let services = [service("portal", None), service("portal", None)];
        let found = stacks(&services, &BTreeSet::from(["portal".to_owned()]));
        assert_eq!((found[0].running, found[0].desired), (2, 4));
        assert_eq!(services_of(&services, "portal"), ["portal_x", "portal_x"]);
    }
}
