//! Faults: the reason, the message and the retry delay of each kind.

use std::time::Duration;

use directconnect_core::fault::{DESCRIBE, Fault, FaultKind, UPDATE, retry_after};
use directconnect_core::reason::{Phase, Reason};

use strum::VariantArray as _;

use crate::given::{ID, REGION, circuit, fault, seconds};

const POLL: Duration = Duration::from_mins(1);

#[test]
fn each_kind_has_its_reason_and_says_what_to_do() {
    let table = [
        (FaultKind::NotFound, Reason::NotFound, Phase::Stalled, "Check spec.connectionId, spec.region"),
        (
            FaultKind::AccessDenied,
            Reason::AccessDenied,
            Phase::Stalled,
            "Allow the operator's IAM role directconnect:UpdateConnection",
        ),
        (
            FaultKind::CredentialsInvalid,
            Reason::CredentialsInvalid,
            Phase::Stalled,
            "the region may also not be enabled for the account, or the clock be wrong",
        ),
        (FaultKind::Throttled, Reason::Throttled, Phase::Reconciling, "slows down and tries again by itself"),
        (FaultKind::Unavailable, Reason::AwsUnavailable, Phase::Reconciling, "tries again by itself"),
        (FaultKind::Rejected, Reason::RequestRejected, Phase::Stalled, "Change the spec as AWS asks"),
    ];
    for (kind, reason, phase, advice) in table {
        let fault = fault(kind);
        assert_eq!((fault.reason(), fault.reason().phase()), (reason, phase), "{kind:?}");
        let message = fault.describe(&circuit(REGION, ID));
        for part in [advice, "AWS says no", REGION] {
            assert!(message.contains(part), "{kind:?}: {message}");
        }
    }
}

#[test]
fn a_denial_names_action_and_resource() {
    let message = fault(FaultKind::AccessDenied).describe(&circuit(REGION, ID));
    assert!(message.starts_with("directconnect:UpdateConnection on dxcon-fg1234ab in eu-central-1 was denied"));
}

#[test]
fn a_read_that_is_rejected_does_not_blame_the_spec() {
    let read = Fault::new(FaultKind::Rejected, DESCRIBE, "UnknownOperationException. ");
    let message = read.describe(&circuit(REGION, ID));
    assert!(message.starts_with("AWS rejected directconnect:DescribeConnections in eu-central-1"), "{message}");
    assert!(message.contains(ID) && message.contains("endpoint"), "{message}");
    for &kind in FaultKind::VARIANTS {
        let message = Fault::new(kind, DESCRIBE, "No").describe(&circuit(REGION, ID));
        assert!(!message.contains("Change the spec"), "{kind:?}: {message}");
    }
}

#[test]
fn words_of_aws_are_cleaned_and_its_request_id_stays_apart() {
    let fault = Fault {
        request_id: Some("5b8cf2b7-0000".into()),
        ..Fault::new(FaultKind::Rejected, UPDATE, "bad\r\nname\u{7}. ")
    };
    assert_eq!(fault.message, "bad  name .");
    let message = fault.describe(&circuit(REGION, ID));
    assert!(!message.contains("5b8cf2b7") && !message.contains(".."), "{message}");
}

#[test]
fn status_says_the_same_of_a_cause_at_every_attempt_and_something_else_of_another_cause() {
    let expired = |at: &str| Fault::new(FaultKind::CredentialsInvalid, DESCRIBE, &format!("Signature expired: {at}"));
    let (one, next) = (expired("20261127T082358Z"), expired("20261127T082458Z"));
    let other = Fault::new(FaultKind::CredentialsInvalid, DESCRIBE, "The security token is invalid");
    let said = |fault: &Fault| fault.describe(&circuit(REGION, ID));
    assert!(one.has_cause_of(&next) && said(&one) == said(&next), "{}", said(&one));
    assert!(one.message.contains("20261127T082358Z"), "the log says it whole");
    assert!(!one.has_cause_of(&other) && said(&one) != said(&other), "{}", said(&one));
}

#[test]
fn what_a_person_must_set_right_is_tried_at_the_pace_of_polls() {
    for kind in [FaultKind::AccessDenied, FaultKind::CredentialsInvalid, FaultKind::NotFound] {
        for (tries, jitter) in [(1, 0.0), (9, 0.5), (u32::MAX, 1.0)] {
            assert_eq!(retry_after(kind, tries, POLL, jitter), POLL, "{kind:?}");
        }
    }
}

#[test]
fn a_rejected_update_is_tried_ever_more_rarely_up_to_half_an_hour() {
    let waits = [15, 30, 60, 120, 240, 480, 960, 1800, 1800];
    for (tries, wait) in (1..).zip(waits) {
        for jitter in [0.0, 1.0] {
            assert_eq!(retry_after(FaultKind::Rejected, tries, POLL, jitter), seconds(wait), "try {tries}");
        }
    }
    assert_eq!(retry_after(FaultKind::Rejected, u32::MAX, POLL, 0.0), seconds(1800));
}

#[test]
fn throttles_and_outages_back_off_with_full_jitter() {
    for kind in [FaultKind::Throttled, FaultKind::Unavailable] {
        for (tries, longest) in (1..).zip([1, 2, 4, 8, 16, 32, 64, 120, 120]) {
            assert_eq!(retry_after(kind, tries, POLL, 1.0), seconds(longest), "try {tries}");
            assert_eq!(retry_after(kind, tries, POLL, 0.5), seconds(longest) / 2, "try {tries}");
            assert_eq!(retry_after(kind, tries, POLL, 0.0), Duration::ZERO, "try {tries}");
        }
        assert_eq!(retry_after(kind, u32::MAX, POLL, 7.0), seconds(120), "jitter is 1 at most");
        assert_eq!(retry_after(kind, 1, POLL, -1.0), Duration::ZERO, "and 0 at least");
    }
}
