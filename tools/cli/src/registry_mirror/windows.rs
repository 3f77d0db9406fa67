//! The program's life under the service control manager of Windows.

use std::ffi::OsString;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::{define_windows_service, service_dispatcher};

define_windows_service!(entry, service);

/// What the manager's own thread needs; it takes no arguments of ours.
static STARTED: Mutex<Option<Started>> = Mutex::new(None);

struct Started {
    name: String,
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<bool>,
}

/// A service that the manager has started.
pub(super) struct Life {
    stopped: oneshot::Receiver<()>,
    ended: mpsc::Sender<bool>,
}

impl Life {
    /// Answers the manager, on a thread of its own.
    pub(super) fn begin(name: String) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ended, end) = mpsc::channel();
        let started = Started { name: name.clone(), stop, ended: end };
        *STARTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        // Without a manager (started by hand) the channel closes, which reads as a stop.
        std::thread::spawn(move || service_dispatcher::start(name, entry).map_err(io::Error::other));
        Self { stopped, ended }
    }

    /// Resolves when the manager wants the service to stop.
    pub(super) async fn stopped(&mut self) {
        let _ = (&mut self.stopped).await;
    }

    /// Says that the service has ended, and how.
    pub(super) fn end(self, well: bool) {
        let _ = self.ended.send(well);
        // The manager's thread says so and returns.
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn service(_: Vec<OsString>) {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Started { name, stop, ended }) = started else { return };
    let stop = Mutex::new(Some(stop));
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            if let Some(stop) = stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = stop.send(());
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(handle) = service_control_handler::register(&name, handler) else { return };
    let status = |current_state, controls_accepted, code| ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state,
        controls_accepted,
        exit_code: ServiceExitCode::Win32(code),
        checkpoint: 0,
        wait_hint: Duration::default(),
        process_id: None,
    };
    let accepted = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    let _ = handle.set_service_status(status(ServiceState::Running, accepted, 0));
    let well = ended.recv().unwrap_or(false);
    let _ = handle.set_service_status(status(ServiceState::Stopped, ServiceControlAccept::empty(), u32::from(!well)));
}
