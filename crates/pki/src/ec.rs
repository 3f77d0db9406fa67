//! A P-256 key in the form Kubernetes reads as a service account key.

/// PKCS#8 as ring writes a P-256 key: this header, the 32 bytes of the key, [`PUBLIC_TAG`], the public point.
const PKCS8_KEY_AT: usize = 36;
/// `[1] BIT STRING` of 65 bytes in front of the public point.
const PUBLIC_TAG: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];
/// `ECPrivateKey ::= SEQUENCE { version 1, privateKey OCTET STRING (32) }` (RFC 5915 §3), up to the key's bytes.
const SEC1_HEAD: [u8; 7] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
/// `[0] prime256v1`.
const SEC1_CURVE: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const POINT: usize = 65;

/// Rewrites a PKCS#8 P-256 key as SEC 1 (`EC PRIVATE KEY`), which is the only form in which the API server takes
/// an elliptic key for `--service-account-key-file`. `None` when the layout is not the expected one.
pub(crate) fn sec1_der(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = pkcs8.get(PKCS8_KEY_AT..PKCS8_KEY_AT + 32)?;
    let before = pkcs8.get(PKCS8_KEY_AT - 2..PKCS8_KEY_AT)?;
    let rest = pkcs8.get(PKCS8_KEY_AT + 32..)?;
    let point = rest.strip_prefix(&PUBLIC_TAG)?;
    if before != [0x04, 0x20] || point.len() != POINT {
        return None;
    }
    Some([&SEC1_HEAD[..], key, &SEC1_CURVE, &PUBLIC_TAG, point].concat())
}
