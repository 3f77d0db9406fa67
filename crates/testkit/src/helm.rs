//! Real Helm as a judge, as the library of a Python wheel (helm-python-sdk).

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};

/// Prints what Helm makes of the chart `argv[1]` with the values on standard input, as `helm template` does.
const RENDER: &str = "
import sys
from helm_python import Chart, values_from_yaml
chart = Chart.load(sys.argv[1])
rendered = chart.render(values_from_yaml(sys.stdin.read()), name='ks-core', is_install=True, namespace='kubesphere-system')
print('\\n---\\n'.join(rendered.values()))
";

/// A Python that has Helm.
#[derive(Debug)]
pub struct Helm {
    python: String,
}

impl Helm {
    /// That of the Python which `AIRLAB_HELM_PYTHON` names, else of the system's. `None`, with a printed reason, where
    /// there is none: the test then does not show what it is about.
    ///
    /// # Panics
    /// Where `AIRLAB_HELM_REQUIRED` is set and there is none.
    #[expect(clippy::print_stderr, reason = "a test's reader should see what was not shown")]
    pub fn find() -> Option<Self> {
        let python = std::env::var("AIRLAB_HELM_PYTHON").unwrap_or_else(|_| "python3".into());
        let probe = Cmd::new(&python).args(["-c", "import helm_python"]).timeout(Duration::from_secs(60));
        if Local.run(&probe).is_ok_and(|out| out.code == 0) {
            return Some(Self { python });
        }
        eprintln!("NOT SHOWN: no real Helm: {python} has no helm-python-sdk (AIRLAB_HELM_PYTHON=...)");
        assert!(std::env::var_os("AIRLAB_HELM_REQUIRED").is_none(), "Helm was asked for");
        None
    }

    /// What Helm makes of a chart, a folder or a packed one, with these values; `Err` is why it refuses.
    ///
    /// # Panics
    /// When Python cannot be run.
    pub fn render(&self, chart: &Path, values: &str) -> Result<String, String> {
        let cmd = Cmd::new(&self.python).args(["-c", RENDER]).arg(chart).stdin(values);
        match Local.run(&cmd.timeout(Duration::from_secs(120))) {
            Ok(out) if out.code == 0 => Ok(out.text()),
            Ok(out) => Err(out.error_text()),
            Err(error) => panic!("{error}"),
        }
    }
}
