//! Documents for audiences whose subjects have another form.

use super::*;

#[test]
fn a_subject_without_operation_needs_none_and_cannot_fix_one() {
    let short = |operation: &'static str| {
        let mut claims = claims("acme", ASKED_PROJECT, ASKED_STACK, operation);
        claims.insert("sub".into(), format!("r:acme:{ASKED_PROJECT}:{ASKED_STACK}").into());
        claims
    };
    let mut grant = grant(Some("website"), &["prod"], &[]);
    grant.form = SubjectForm::learn(&OPERATIONS.map(|one| (one, short(one)))).unwrap();
    let azure = AzureTarget { owner: None }.json(&grant).unwrap();
    assert_eq!(azure[0]["subject"], "r:acme:website:prod");
    grant.scope.operations = vec!["update".to_owned()];
    assert_eq!(AzureTarget { owner: None }.json(&grant), Err(GrantError::NotInSubject("operation", "Azure")));
    // Expressions also read other claims.
    let google = GoogleTarget {
        project_number: "1".into(),
        pool: "p".into(),
        provider: "q".into(),
        service_account: None,
    };
    let condition = google.json(&grant).unwrap()["attributeCondition"].clone();
    assert_eq!(condition, "assertion.sub == 'r:acme:website:prod' && assertion.operation in ['update']");
}

/// The form of an audience whose subjects contain the scope instead of the operation.
fn by_scope() -> SubjectForm {
    let short = |operation: &'static str| {
        let mut claims = claims("acme", ASKED_PROJECT, ASKED_STACK, operation);
        let scope = if operation == "preview" { "read" } else { "write" };
        claims.insert("sub".into(), format!("r:acme:{ASKED_PROJECT}:{ASKED_STACK}:scope:{scope}").into());
        claims
    };
    SubjectForm::learn(&OPERATIONS.map(|one| (one, short(one)))).unwrap()
}

fn azure_subjects(grant: &Grant) -> Vec<String> {
    let credentials = AzureTarget { owner: None }.json(grant).unwrap();
    let subjects = credentials.as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap());
    subjects.map(str::to_owned).collect()
}

#[test]
fn a_subject_with_the_scope_is_written_for_each_scope_or_for_that_of_the_operation() {
    let mut grant = grant(Some("website"), &["prod"], &[]);
    grant.form = by_scope();
    let (read, write) = ("r:acme:website:prod:scope:read", "r:acme:website:prod:scope:write");
    assert_eq!(azure_subjects(&grant), [read, write]);
    assert_eq!(grant.beyond(), [""; 0]);
    grant.scope.operations = vec!["update".to_owned()];
    assert_eq!(azure_subjects(&grant), [write]);
    assert_eq!(grant.beyond(), ["refresh", "destroy"]);
    grant.scope.operations = vec!["preview".to_owned()];
    assert_eq!(azure_subjects(&grant), [read]);
    assert_eq!(grant.beyond(), [""; 0]);
    for (kind, document) in documents(&grant) {
        assert!(document.to_string().contains(read) && !document.to_string().contains(write), "{kind}");
    }
}

#[test]
fn both_forms_of_a_migration_are_trusted_and_keep_their_names() {
    let mut both = grant(Some("website"), &["prod"], &["update"]);
    both.form = by_scope();
    both.other_form = Some(form());
    let old = "runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write";
    let new = "r:acme:website:prod:scope:write";
    for (kind, document) in documents(&both) {
        let found = TrustDocument::recognise(&document).unwrap();
        for subject in [old, new] {
            let mut claims = claims("acme", "website", "prod", "update");
            claims.insert("sub".into(), subject.into());
            assert_eq!(found.evaluate(&TokenClaims::new(claims)).accepts, Holds::Yes, "{kind} {subject}");
        }
        let mut stranger = claims("acme", "website", "prod", "update");
        stranger.insert("sub".into(), "r:acme:website:staging:scope:write".into());
        assert_eq!(found.evaluate(&TokenClaims::new(stranger)).accepts, Holds::No, "{kind}");
    }
    let azure = |grant: &Grant| AzureTarget { owner: None }.json(grant).unwrap();
    let together = azure(&both);
    both.other_form = None;
    let alone = azure(&both);
    assert_eq!(
        alone[0]["name"], together[0]["name"],
        "removing the other form does not rename this credential"
    );
    assert_ne!(together[0]["name"], together[1]["name"]);
}

#[test]
fn google_gets_a_claim_that_tokens_have() {
    let google = GoogleTarget {
        project_number: "1".into(),
        pool: "p".into(),
        provider: "q".into(),
        service_account: None,
    };
    let mut grant = grant(Some("website"), &[], &[]);
    let subject =
        |grant: &Grant| google.json(grant).map(|one| one["attributeMapping"]["google.subject"].clone());
    assert_eq!(subject(&grant).unwrap(), "assertion.run_id");
    grant.form.run_id = false;
    grant.profile = Some("https://iam.googleapis.com/*".to_owned());
    let refused = subject(&grant).unwrap_err().to_string();
    assert!(refused.contains("`https://iam.googleapis.com/*` leaves out run_id"), "{refused}");
    grant.form.max_bytes = Some(127);
    assert_eq!(subject(&grant).unwrap(), "assertion.sub");
    grant.form.max_bytes = None;
    (grant.scope.stacks, grant.scope.operations) = (vec!["prod".to_owned()], vec!["update".to_owned()]);
    assert_eq!(subject(&grant).unwrap(), "assertion.sub", "the subject is known to fit");
    grant.form.org = false;
    assert!(!google.json(&grant).unwrap()["attributeMapping"].to_string().contains("assertion.org"));
}
