//! No output of vmrun makes a reader panic, and what is counted is as many as it says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vmware::discover;
use vmware::vmrun::{self, Page};

fuzz_target!(|bytes: &[u8]| {
    for page in [Page::Host, Page::Number(949), Page::Number(1252), Page::Number(0)] {
        let text = page.decode(bytes);
        let text = text.as_str();
        if let Some(list) = vmrun::running(text) {
            assert!(list.len() <= text.lines().count());
        }
        let _ = vmrun::snapshots(text);
        let _ = vmrun::host_networks(text);
        let _ = vmrun::network_adapters(text);
        let _ = vmrun::port_forwardings(text);
        let _ = vmrun::processes(text);
        let _ = vmrun::directory(text);
        let _ = vmrun::exists(text);
        let _ = vmrun::temp_file(text);
        let _ = vmrun::variable(text);
        let _ = vmrun::tools_state(text);
        let _ = vmrun::guest_address(text);
        let _ = discover::linux_networking(text);
        let _ = discover::dhcp_conf(text);
        let _ = discover::Version::parse(text);
    }
});
