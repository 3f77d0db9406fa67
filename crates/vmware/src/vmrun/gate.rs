//! How many calls may run at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::path::folded;

/// One call at a time for each machine, and at most so many over all machines. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    parallel: usize,
    slots: Arc<Semaphore>,
    machines: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

/// Permission for one call; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    _machine: Option<OwnedMutexGuard<()>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// At most this many calls at once; at least one.
    pub fn new(parallel: usize) -> Self {
        let parallel = parallel.max(1);
        Self { parallel, slots: Arc::new(Semaphore::new(parallel)), machines: Arc::default() }
    }

    /// How many calls may run at once.
    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// Waits for the machine first, then for a slot: who waits for a machine takes no slot from the others.
    pub(super) async fn pass(&self, vmx: Option<&Path>) -> Pass {
        let machine = match vmx {
            Some(vmx) => Some(self.machine(vmx).lock_owned().await),
            None => None,
        };
        // The semaphore is never closed.
        let slot = self.slots.clone().acquire_owned().await.ok();
        Pass { _machine: machine, _slot: slot }
    }

    fn machine(&self, vmx: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.retain(|_, lock| Arc::strong_count(lock) > 1);
        machines.entry(folded(vmx)).or_default().clone()
    }
}

impl Default for Gate {
    /// Four calls: as many machines as a desktop disk starts side by side without getting slower.
    fn default() -> Self {
        Self::new(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    async fn most_at_once(gate: &Gate, machines: &[&str]) -> usize {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let calls: Vec<_> = machines
            .iter()
            .map(|name| {
                let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
                let vmx = std::path::PathBuf::from(format!("/vms/{name}.vmx"));
                tokio::spawn(async move {
                    let _pass = gate.pass(Some(&vmx)).await;
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert!(gate.machines.lock().unwrap().len() <= machines.len());
        most.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn one_call_a_machine_and_so_many_in_all() {
        let gate = Gate::new(3);
        assert_eq!(most_at_once(&gate, &["a", "A", "a"]).await, 1);
        assert_eq!(most_at_once(&gate, &["a", "b", "c", "d", "e", "f"]).await, 3);
        assert_eq!(Gate::new(0).parallel(), 1);
    }
}
