//! A .vmx that can be read is rendered byte for byte, and a changed key is the only change.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vmware::Vmx;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut vmx) = Vmx::parse(text) else { return };
    assert_eq!(vmx.render(), text);
    assert!(vmx.diff(&vmx.clone()).is_empty());
    let before = vmx.clone();
    vmx.set("fuzz.key", text);
    assert_eq!(vmx.get("FUZZ.KEY"), Some(text));
    let again = Vmx::parse(&vmx.render()).expect("what is rendered can be read");
    assert_eq!(again.get("fuzz.key"), Some(text));
    assert!(before.diff(&again).iter().all(|d| d.key.eq_ignore_ascii_case("fuzz.key")));
    vmx.remove("fuzz.key");
    assert_eq!(vmx.get("fuzz.key"), None);
});
