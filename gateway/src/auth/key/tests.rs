use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;

use super::*;

/// The claims of RFC 7515, appendix A.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn jwk(text: &str) -> VerificationKey {
    let jwk: Jwk = serde_json::from_str(text).unwrap();
    VerificationKey::new(None, DecodingKey::from_jwk(&jwk).unwrap(), None).unwrap()
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// It verifies the message, and nothing else.
fn verifies(key: &VerificationKey, message: &str, signature: &str) {
    let mut signature = decode(signature);
    assert!(key.verifies(message.as_bytes(), &signature), "{key:?}");
    assert!(!key.verifies(&message.as_bytes()[1..], &signature));
    assert!(!key.verifies(message.as_bytes(), &[]));
    signature[3] ^= 1;
    assert!(!key.verifies(message.as_bytes(), &signature));
}

#[test]
fn the_secret_of_rfc_7515_a_1_verifies() {
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = VerificationKey::secret(&decode(secret), None).unwrap();
    assert_eq!(key.algorithm, Algorithm::HS256);
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}");
    verifies(
        &key,
        &message,
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    );
}

#[test]
fn the_rsa_key_of_rfc_7515_a_2_verifies() {
    let key = jwk(
        r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
    );
    assert_eq!(key.algorithm, Algorithm::RS256);
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}");
    verifies(
        &key,
        &message,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

#[test]
fn the_curve_of_rfc_7515_a_3_verifies() {
    let key = jwk(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    );
    assert_eq!(key.algorithm, Algorithm::ES256);
    let message = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}");
    verifies(
        &key,
        &message,
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
}

#[test]
fn the_edwards_curve_of_rfc_8037_a_4_verifies() {
    let key =
        jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    assert_eq!(key.algorithm, Algorithm::EdDSA);
    verifies(
        &key,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}

#[test]
fn weak_keys_and_algorithms_of_other_keys_are_refused() {
    let secret = |len| VerificationKey::secret(&vec![7; len], None).map(|it| it.algorithm);
    assert_eq!(secret(31), Err(KeyError::ShortSecret));
    assert_eq!(secret(32), Ok(Algorithm::HS256));
    let with = |algorithm| VerificationKey::secret(&[7; 32], Some(algorithm)).map(|_| ());
    assert_eq!(with(Algorithm::HS512), Ok(()));
    assert_eq!(with(Algorithm::RS256), Err(KeyError::Algorithm));
    assert!(VerificationKey::pem(b"no key", None).is_err());
    let weak = DecodingKey::from_rsa_raw_components(&[255; 128], &[1, 0, 1]);
    assert!(VerificationKey::new(None, weak, None).is_err());
}
