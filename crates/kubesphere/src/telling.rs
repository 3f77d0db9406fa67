//! While something is waited for: what stands in its way is said as soon as it is seen, not only at the deadline.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use kubeapi::Api;
use steps::{Event, Sink};

use crate::findings::{Cause, Finding, findings};
use crate::status::seen;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(10);

/// Waits for `wait`; meanwhile says every finding once, when it was there twice in a row.
pub(crate) async fn telling<T>(api: &Api, step: &str, sink: &dyn Sink, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        done = wait => done,
        never = tell(api, step, sink) => match never {},
    }
}

async fn tell(api: &Api, step: &str, sink: &dyn Sink) -> Infallible {
    let mut told = Told::default();
    loop {
        tokio::time::sleep(EVERY).await;
        // an API that does not answer is the wait's own affair
        let Ok(seen) = seen(api).await else { continue };
        for finding in told.lasting(findings(&seen)) {
            sink.emit(Event::Note { step: step.to_owned(), text: finding.to_string() });
        }
    }
}

/// Which findings were seen and said. What Kubernetes says of one changes from look to look, what it is about does not.
#[derive(Default)]
struct Told {
    before: BTreeSet<About>,
    told: BTreeSet<About>,
}

type About = (Cause, String, String);

fn about(finding: &Finding) -> About {
    (finding.cause, finding.object.clone(), finding.image.clone())
}

impl Told {
    /// Those of `now` that have lasted and were not said yet.
    fn lasting(&mut self, now: Vec<Finding>) -> Vec<Finding> {
        let all = now.iter().map(about).collect();
        let before = std::mem::replace(&mut self.before, all);
        now.into_iter().filter(|f| before.contains(&about(f)) && self.told.insert(about(f))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_what_passes_is_not() {
        let look = |objects: &[&str], message: &str| {
            let finding = |object: &&str| Finding {
                cause: Cause::Image,
                object: (*object).to_owned(),
                image: "i".into(),
                message: message.to_owned(),
            };
            objects.iter().map(finding).collect::<Vec<_>>()
        };
        let mut told = Told::default();
        assert!(told.lasting(look(&["a", "b"], "ErrImagePull")).is_empty());
        assert_eq!(told.lasting(look(&["b", "c"], "ImagePullBackOff")), look(&["b"], "ImagePullBackOff"));
        assert_eq!(told.lasting(look(&["b", "c"], "ErrImagePull")), look(&["c"], "ErrImagePull"));
        assert!(told.lasting(look(&["b", "c"], "ErrImagePull")).is_empty());
    }
}
