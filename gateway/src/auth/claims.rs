//! What a token says, and whether that holds.
//!
//! Owns the claims that are read, their times, issuer and audience. Pure: the time is an argument, and the
//! signature was checked before.

use kite::Mode;
use serde::Deserialize;
use serde_json::Value;

use super::AuthError;
use crate::protocol::answer::UserShown;
use crate::rights::Rights;

/// Clocks of issuers may differ by so many seconds.
pub(crate) const LEEWAY: f64 = 30.0;

/// What is demanded of claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClaimRules {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    /// The role of those who may read what all clients do.
    pub(crate) admin_role: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    email: Option<String>,
    name: Option<String>,
    jti: Option<String>,
    iss: Option<String>,
    #[serde(default)]
    aud: Value,
    /// Some issuers write fractions.
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    kt: Limits,
}

/// What is ours among the claims.
#[derive(Default, Deserialize)]
struct Limits {
    channels: Option<Vec<String>>,
    max_tokens: Option<usize>,
    max_hz: Option<f64>,
    modes: Option<Vec<Mode>>,
    #[serde(default)]
    orders: Vec<String>,
}

impl ClaimRules {
    /// What a token with these claims allows at `now`, Unix seconds.
    ///
    /// # Errors
    /// When a claim is missing, is not what it must be, or the token is not valid at that time.
    pub(crate) fn read(&self, claims: &[u8], now: f64) -> Result<Rights, AuthError> {
        let claims: Claims = serde_json::from_slice(claims)
            .map_err(|_| AuthError::refused("the claims cannot be read"))?;
        let expires = claims.exp.ok_or_else(|| missing("exp"))?;
        if now >= expires + LEEWAY {
            return Err(AuthError::Expired);
        }
        if claims.nbf.is_some_and(|from| now < from - LEEWAY) {
            return Err(AuthError::refused("the token is not valid yet"));
        }
        if let Some(issuer) = &self.issuer {
            match &claims.iss {
                None => return Err(missing("iss")),
                Some(given) if given != issuer => return Err(AuthError::refused("another issuer")),
                Some(_) => {}
            }
        }
        if let Some(audience) = &self.audience {
            if claims.aud.is_null() {
                return Err(missing("aud"));
            }
            if !is_for(&claims.aud, audience) {
                return Err(AuthError::refused("another audience"));
            }
        }
        let kt = claims.kt;
        if kt.max_hz.is_some_and(|hz| !(hz.is_finite() && hz > 0.0)) {
            return Err(AuthError::refused("kt.max_hz must be above 0"));
        }
        Ok(Rights {
            user: UserShown {
                user_id: claims.sub.ok_or_else(|| missing("sub"))?,
                email: claims.email,
                name: claims.name,
            },
            expires,
            jti: claims.jti,
            is_admin: claims.roles.contains(&self.admin_role),
            channels: kt.channels,
            max_tokens: kt.max_tokens,
            max_hz: kt.max_hz,
            modes: kt.modes,
            orders: kt.orders,
        })
    }
}

fn missing(claim: &str) -> AuthError {
    AuthError::refused(format!("the claim {claim} is missing"))
}

/// An audience is a text or a list of texts.
fn is_for(given: &Value, audience: &str) -> bool {
    match given {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|it| it == audience),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> ClaimRules {
        ClaimRules {
            admin_role: "admin".to_owned(),
            ..ClaimRules::default()
        }
    }

    fn read(rules: &ClaimRules, claims: &Value, now: f64) -> Result<Rights, String> {
        let read = rules.read(claims.to_string().as_bytes(), now);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn times_have_a_leeway_and_may_be_fractions() {
        let claims = json!({"sub": "me", "exp": 1000.5, "nbf": 100});
        assert!(read(&rules(), &claims, 1030.4).is_ok());
        assert_eq!(
            read(&rules(), &claims, 1030.5).unwrap_err(),
            "Token expired"
        );
        assert!(read(&rules(), &claims, 70.0).is_ok());
        assert_eq!(
            read(&rules(), &claims, 69.0).unwrap_err(),
            "Authentication failed: the token is not valid yet"
        );
        assert!(
            read(&rules(), &json!({"sub": "me"}), 1.0)
                .unwrap_err()
                .contains("exp")
        );
        assert!(
            read(&rules(), &json!({"exp": 9}), 1.0)
                .unwrap_err()
                .contains("sub")
        );
        assert!(read(&rules(), &json!({"sub": "me", "exp": "9"}), 1.0).is_err());
    }

    #[test]
    fn issuer_and_audience_are_demanded_where_they_are_set() {
        let open = json!({"sub": "me", "exp": 9, "aud": "anyone"});
        assert!(read(&rules(), &open, 1.0).is_ok(), "aud is not looked at");
        let strict = ClaimRules {
            issuer: Some("us".to_owned()),
            audience: Some("ticks".to_owned()),
            ..rules()
        };
        for (claims, wrong) in [
            (json!({"sub": "me", "exp": 9}), "iss is missing"),
            (
                json!({"sub": "me", "exp": 9, "iss": "them"}),
                "another issuer",
            ),
            (
                json!({"sub": "me", "exp": 9, "iss": "us"}),
                "aud is missing",
            ),
            (
                json!({"sub": "me", "exp": 9, "iss": "us", "aud": ["x"]}),
                "another audience",
            ),
            (
                json!({"sub": "me", "exp": 9, "iss": "us", "aud": 7}),
                "another audience",
            ),
        ] {
            let error = read(&strict, &claims, 1.0).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        for audience in [json!("ticks"), json!(["x", "ticks"])] {
            let claims = json!({"sub": "me", "exp": 9, "iss": "us", "aud": audience});
            assert!(read(&strict, &claims, 1.0).is_ok());
        }
    }

    #[test]
    fn what_is_ours_restricts() {
        let claims = json!({
            "sub": "me", "exp": 9, "roles": ["admin"],
            "kt": {"channels": ["ticks:NFO:*"], "max_tokens": 5, "max_hz": 4, "modes": ["ltp"], "orders": ["acct-a"]}
        });
        let rights = read(&rules(), &claims, 1.0).unwrap();
        assert!(rights.is_admin && rights.allow("NFO", "A") && !rights.allow("NSE", "A"));
        assert_eq!(rights.mode(Mode::Full), Some(Mode::Ltp));
        assert_eq!(
            (rights.hz(None), rights.hz(Some(1.0)), rights.hz(Some(9.0))),
            (Some(4.0), Some(1.0), Some(4.0))
        );
        let free = read(&rules(), &json!({"sub": "me", "exp": 9}), 1.0).unwrap();
        assert!(!free.is_admin && free.allow("NSE", "A") && free.orders.is_empty());
        assert_eq!(
            (free.mode(Mode::Full), free.hz(None)),
            (Some(Mode::Full), None)
        );
    }
}
