//! The host's own kubectl, as a stranger would use it.

use serde_json::Value;

use crate::proof::{Fail, ensure, fail};
use crate::world::World;

impl World {
    /// Runs kubectl with the user's kubeconfig and the lab's context.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String, Fail> {
        let context = format!("--context={}", self.lab());
        let cmd = self.cmd("kubectl").args([context.as_str(), "--request-timeout=20s"]).args(args);
        Ok(self.ok(cmd)?.text())
    }

    /// The same with the answer as JSON.
    pub(crate) fn kubectl_json(&self, args: &[&str]) -> Result<Value, Fail> {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        Ok(serde_json::from_str(&self.kubectl(&args)?)?)
    }

    /// Creates or updates objects.
    pub(crate) fn apply(&self, objects: &Value) -> Result<(), Fail> {
        let context = format!("--context={}", self.lab());
        let cmd = self.cmd("kubectl").args([context.as_str(), "apply", "-f", "-"]);
        self.ok(cmd.stdin(objects.to_string())).map(drop)
    }

    /// Deletes objects and waits until they are gone.
    pub(crate) fn delete(&self, what: &[&str]) -> Result<(), Fail> {
        let args = ["delete", "--ignore-not-found", "--wait=true", "--timeout=60s"];
        self.kubectl(&args.iter().chain(what).copied().collect::<Vec<_>>()).map(drop)
    }

    /// `True`, `False` or `Unknown`: the node's own Ready condition.
    pub(crate) fn node_ready(&self, node: &str) -> Result<String, Fail> {
        let object = self.kubectl_json(&["get", "node", node])?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|c| c["type"] == "Ready").and_then(|c| c["status"].as_str());
        ready.map(str::to_owned).ok_or_else(|| Fail(format!("{node} has no Ready condition")))
    }

    /// Waits until the node's Ready condition is this.
    pub(crate) fn until_node_is(&self, node: &str, wanted: &str) -> Result<(), Fail> {
        self.until(&format!("{node} Ready={wanted}"), || {
            let is = self.node_ready(node)?;
            ensure!(is == wanted, "it is {is}");
            Ok(())
        })
    }

    /// Waits until the pod runs and is ready; gives the pod.
    pub(crate) fn until_pod_runs(&self, pod: &str) -> Result<Value, Fail> {
        self.until(&format!("pod {pod}"), || {
            let object = self.kubectl_json(&["get", "pod", pod])?;
            let status = &object["status"]["containerStatuses"][0];
            if status["ready"] == true {
                return Ok(object.clone());
            }
            fail!("{} {}", object["status"]["phase"], waiting(&object))
        })
    }
}

/// Why the first container of a pod does not run yet.
pub(crate) fn waiting(pod: &Value) -> String {
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    let text = |key: &str| waiting[key].as_str().unwrap_or("").to_owned();
    format!("{} {}", text("reason"), text("message")).trim().to_owned()
}
