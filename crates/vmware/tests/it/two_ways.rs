//! Into a guest by vmrun or by SSH: what follows a failure is decided by what is known about its effect.

use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use machine::{Cmd, Exec, ExecError, Output};
use vmware::vmrun::{GuestLogin, Inside, Vmrun, Way};

/// A node that writes down what it is asked over SSH; `test` finds nothing unless the effect is there.
struct Node {
    asked: Mutex<Vec<String>>,
    done: bool,
}

#[async_trait]
impl Exec for Node {
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        self.asked.lock().unwrap().push(cmd.to_string());
        let code = i32::from(cmd.program() == "test" && !self.done);
        Ok(Output { code, stdout: vec![], stderr: vec![] })
    }

    fn target(&self) -> String {
        "node".into()
    }
}

/// vmrun answers with this line of shell; what became of the program is then asked for with `test -e /done`.
async fn run(answer: &str, login: bool, done: bool) -> (Result<Way, String>, Vec<String>) {
    let vmrun = Vmrun { program: ["sh", "-c", answer, "vmrun"].map(str::to_owned).to_vec(), ..Vmrun::default() };
    let node = Node { asked: Mutex::default(), done };
    let user = GuestLogin { user: "airlab".into(), password: "geheim".to_owned().into() };
    let vmx = Path::new("/vms/m.vmx");
    let inside = Inside { vmrun: &vmrun, vmx, login: login.then_some(&user), ssh: &node };
    let ended = inside.run("/bin/step", &[], &Cmd::new("test").args(["-e", "/done"])).await;
    (ended.map_err(|e| e.to_string()), node.asked.into_inner().unwrap())
}

#[tokio::test]
async fn what_never_started_goes_over_ssh_and_what_was_lost_is_looked_at_first() {
    assert_eq!(run("exit 0", true, false).await, (Ok(Way::Vmrun), vec![]));
    assert_eq!(run("exit 0", false, false).await, (Ok(Way::Ssh), vec!["/bin/step".into()]));
    let tools = "echo 'Error: The VMware Tools are not running in the virtual machine: /vms/m.vmx'; exit 255";
    assert_eq!(run(tools, true, false).await, (Ok(Way::Ssh), vec!["/bin/step".into()]));
    let lost = "echo 'Error: The operation was canceled'; exit 255";
    assert_eq!(run(lost, true, true).await, (Ok(Way::Vmrun), vec!["test -e /done".into()]));
    assert_eq!(run(lost, true, false).await, (Ok(Way::Ssh), vec!["test -e /done".into(), "/bin/step".into()]));
    let (ended, asked) = run("echo 'Guest program exited with non-zero exit code: 7'; exit 255", true, false).await;
    assert!(ended.unwrap_err().contains("exit code: 7") && asked.is_empty());
}
