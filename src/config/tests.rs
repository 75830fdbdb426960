use jiff::SignedDuration;

use super::setting::{Kind, SETTINGS};
use super::*;

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let own =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings::load(&Sources {
        file: Some(("runmint.toml".into(), file.into())),
        environment: own(environment),
        flags: own(flags),
    })
}

fn error(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(file, environment, flags).map(|_| ()).unwrap_err().to_string()
}

const ISSUER: &str = "issuer = 'https://id.example.com/oidc'\n";

#[test]
fn every_setting_is_accepted_from_all_three_places_under_its_own_name() {
    for setting in SETTINGS {
        let value = match (setting.kind, setting.name) {
            (_, "base_url") => "https://id.example.com",
            (_, "issuer") => "https://id.example.com/oidc",
            (_, "tls_certificate_file" | "tls_private_key_file") => "x.pem",
            (_, "listen") => "127.0.0.2:8081",
            (_, "pkcs11_module" | "pkcs11_token_label" | "pkcs11_pin_file") => "x",
            _ => setting.default,
        };
        let pkcs11 = [
            ("RUNMINT_PKCS11_MODULE", "m"),
            ("RUNMINT_PKCS11_TOKEN_LABEL", "l"),
            ("RUNMINT_PKCS11_PIN", "1"),
        ];
        let beside = |name: &str| setting.name.starts_with("pkcs11") && name != setting.variable();
        let pkcs11: Vec<_> = pkcs11.into_iter().filter(|(name, _)| beside(name)).collect();
        let pair = ("RUNMINT_TLS_CERTIFICATE_FILE", "c.pem");
        let other = if setting.name == "tls_private_key_file" { vec![pair] } else { vec![] };
        let pair = ("RUNMINT_TLS_PRIVATE_KEY_FILE", "k.pem");
        let mut other = if setting.name == "tls_certificate_file" { vec![pair] } else { other };
        other.extend(pkcs11);
        let variable = setting.variable();
        let mut environment = other.clone();
        environment.push((&variable, value));
        let file = if setting.name == "issuer" { "" } else { ISSUER };
        assert!(load(file, &environment, &[]).is_ok(), "{variable}");
        assert!(load(file, &other, &[(setting.name, value)]).is_ok(), "{}", setting.flag());
        let quoted = if setting.kind == Kind::Text { format!("'{value}'") } else { value.to_owned() };
        assert!(load(&format!("{file}{} = {quoted}", setting.name), &other, &[]).is_ok(), "{}", setting.name);
    }
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let file = format!("{ISSUER}subject_prefix = 'file'\nlisten = '127.0.0.1:1'\ntoken_lifetime = '5m'");
    let environment = [("RUNMINT_LISTEN", "127.0.0.1:2"), ("RUNMINT_TOKEN_LIFETIME", "6m")];
    let settings = load(&file, &environment, &[("token_lifetime", "7m")]).unwrap();
    assert_eq!(settings.listen.port(), 2);
    assert_eq!(settings.lifetime.default, SignedDuration::from_mins(7));
}

#[test]
fn an_unknown_setting_or_invalid_value_stops_the_start_with_one_line() {
    let with = |line: &str| error(&format!("{ISSUER}{line}"), &[], &[]);
    for (found, expected) in [
        (error("", &[], &[]), "issuer: is required"),
        (error("issuer = 'http://id.example.com'", &[], &[]), "issuer: must be https"),
        (with("lisen = 'x'"), "runmint.toml: lisen: unknown setting; did you mean listen?"),
        (
            error(ISSUER, &[("RUNMINT_LISEN", "x")], &[]),
            "RUNMINT_LISEN: unknown setting; did you mean RUNMINT_LISTEN?",
        ),
        (
            error(ISSUER, &[("RUNMINT_WHATEVER_THIS_IS", "x")], &[]),
            "RUNMINT_WHATEVER_THIS_IS: unknown setting",
        ),
        (
            error(ISSUER, &[("RUNMINT_MAX_CONNECTIONS", "many")], &[]),
            "RUNMINT_MAX_CONNECTIONS: expected a whole number, found `many`",
        ),
        (error(ISSUER, &[("RUNMINT_DEV_TLS", "yes")], &[]), "RUNMINT_DEV_TLS: expected true or false"),
        (error(ISSUER, &[("RUNMINT_LOG_LEVEL", "loud")], &[]), "RUNMINT_LOG_LEVEL: unknown variant `loud`"),
        (error(ISSUER, &[], &[("token_lifetime", "5")]), "--token-lifetime: `5` is not a valid duration"),
        (with("database_url = 'sqlite:'"), "database_url: must name a file"),
        (with("database_url = 'sqlite::memory:'"), "database_url: must name a file"),
        (with("database_url = 'sqlite:a.db?mode=ro'"), "database_url: must not have parameters"),
        (with("listen = 'here'"), "listen: must be ADDRESS:PORT"),
        (with("listen = '0.0.0.0:80'"), "listen: is not loopback"),
        (with("token_lifetime = '30s'"), "token_lifetime: must be between 1m and 1h, not 30s"),
        (with("token_lifetime = '2h'"), "token_lifetime: must be between 1m and 1h, not 2h"),
        (with("token_lifetime_max = '2d'"), "token_lifetime_max: must be between 1m and 1d, not 2d"),
        (with("token_lifetime = 'soon'"), "`soon` is not a valid duration"),
        (with("run_ttl_max = '0s'"), "run_ttl_max: must be between"),
        (with("max_connections = 0"), "max_connections: must be between"),
        (with("scope = 'read'"), "unknown variant `read`"),
        (with("subject_prefix = 'a:b'"), "subject_prefix: must be 1 to 63"),
        (with("tls_certificate_file = 'x'"), "set both or neither"),
        (with("dev_tls = true\nbehind_tls_proxy = true"), "set only one"),
        (with("[services.x]\nsubject = 'x'\nattributes = {}"), "services.x: subject: must contain `{org}`"),
        (with("[services.x]\nsubjekt = 'x'"), "unknown field `subjekt`"),
        (with("listen = "), "runmint.toml: line 2: "),
        (with("database_url = 'postgres://u:secret@h/d"), "runmint.toml: line 2: "),
        (with("database_url = 'mysql://u:secret@h/d'"), "database_url: must be sqlite:PATH or postgres:"),
        (
            error(ISSUER, &[], &[("database_url", "postgres://u:secret@h/d")]),
            "--database-url: a password on the command line",
        ),
    ] {
        assert!(found.contains(expected), "expected `{expected}` in `{found}`");
        assert!(!found.contains('\n'), "{found}");
        assert!(!found.contains("secret"), "{found}");
    }
}

#[test]
fn the_defaults_of_the_table_are_in_effect() {
    let settings = load(ISSUER, &[], &[]).unwrap();
    assert_eq!(settings.base_url.as_str(), "https://id.example.com");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_connections, 8);
    assert_eq!(settings.keys.rotation.rotate_every, SignedDuration::from_hours(30 * 24));
    assert_eq!(settings.lifetime.default, SignedDuration::from_hours(1));
    // Defaults that depend on other settings follow them.
    let settings = load(&format!("{ISSUER}token_lifetime_max = '5m'"), &[], &[]).unwrap();
    assert_eq!(settings.lifetime.default, SignedDuration::from_mins(5));
    let settings =
        load(&format!("{ISSUER}token_lifetime_max = '1d'\nrotate_every = '60d'"), &[], &[]).unwrap();
    assert!(settings.keys.rotation.keep_published > SignedDuration::from_hours(24));
}

#[test]
fn times_are_shortened_on_loopback_only() {
    let scaled = |issuer: &str, scale: &str| {
        let file = format!("issuer = '{issuer}'\n");
        load(&file, &[("RUNMINT_TEST_TIME_SCALE", scale)], &[]).map(|settings| settings.keys.rotation.timing)
    };
    for issuer in ["http://127.0.0.1:1/oidc", "https://localhost/oidc", "http://[::1]/oidc"] {
        assert!(scaled(issuer, "60").unwrap().is_faster(), "{issuer}");
    }
    for issuer in ["https://id.example.com/oidc", "https://localhost.example.com", "https://10.0.0.1"] {
        assert!(!scaled(issuer, "1").unwrap().is_faster(), "{issuer}");
        let refused = scaled(issuer, "60").unwrap_err().to_string();
        assert!(refused.starts_with("RUNMINT_TEST_TIME_SCALE: is for tests"), "{refused}");
    }
}

#[test]
fn plain_http_is_for_loopback_or_behind_a_proxy() {
    let transport = |line: &str| load(&format!("{ISSUER}{line}"), &[], &[]).unwrap().transport;
    assert_eq!(transport(""), Transport::Plain { behind_proxy: false });
    assert_eq!(
        transport("listen = '0.0.0.0:80'\nbehind_tls_proxy = true"),
        Transport::Plain { behind_proxy: true }
    );
    assert!(matches!(transport("listen = '0.0.0.0:80'\ndev_tls = true"), Transport::DevTls { .. }));
}
