//! Properties of decisions for every connection, spec, history and other input.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::{ConditionStatus, ConditionType, conditions};
use directconnect_core::decide::{Case, Plan, Step, decide};
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::observed::{Connection, ConnectionState, ObservedMode};
use directconnect_core::reason::{Phase, Reason};
use directconnect_core::settings::FRESH;
use directconnect_core::turn::{Hold, HoldReason, Holder};
use proptest::prelude::*;

use crate::given::{Must, No, Should, read_at, resource, twin};

use crate::any::*;

fn plan(desired: &Desired, past: &Past, around: &Around, now: Moment) -> Plan {
    let (older, other) = (resource("net/old"), resource("net/fra-2"));
    let hold = Hold { resource: Some(other.clone()), reason: HoldReason::UnprovenStep };
    let holder = Holder { circuit: twin(), hold };
    decide(&Case {
        desired,
        ledger: &around.ledger,
        history: &past.history,
        settings: &SET,
        now,
        is_reported: around.is_reported,
        poll_fault: around.poll_fault.as_ref(),
        reading_since: Some(Moment::START),
        read_requested_at: around.read_requested.map(|ago| past.now - Duration::from_secs(ago)),
        older_claim: around.has_older_claim.then_some(&older),
        holder: around.is_waiting.then_some(&holder),
        other_proof: around.has_other_proof.then_some(&other),
        holds: around.holds,
        settles_at: around.is_unsettled.then_some(past.now + Duration::from_mins(1)),
        polls_at_soak_cadence: around.polls_at_soak_cadence,
    })
}

/// The update of the plan, and the connection that the decision was based on.
fn sent<'a>(plan: &'a Plan, past: &'a Past) -> Option<(&'a Change, &'a Connection)> {
    let Step::Update(change) = &plan.step else { return None };
    Some((change, past.history.connection()?))
}

fn word_of(mode: EncryptionMode) -> &'static str {
    match mode {
        No => "no_encrypt",
        Should => "should_encrypt",
        Must => "must_encrypt",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn must_encrypt_goes_only_where_macsec_is_proven(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &past) {
            let at_once = desired.transition == EncryptionTransition::Immediate
                && around.ledger.must_encrypt_generation.is_none()
                && !past.history.had_must();
            let shown = past.last.as_ref().and_then(|(_, _, connection)| connection.as_ref());
            prop_assert!(at_once || (past.is_soaked() && shown.is_some_and(works)), "{:?}", past.reads);
        }
    }

    #[test]
    fn a_mode_goes_only_to_a_port_that_takes_one(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((Change { mode: Some(mode), .. }, connection)) = sent(&plan, &past) {
            prop_assert_eq!(&connection.lag_id, &None);
            prop_assert_eq!(connection.vlan, None);
            prop_assert_eq!(connection.mac_sec_capable, Some(true));
            let shown = connection.encryption_mode.as_ref().map(ObservedMode::as_str).unwrap_or_default();
            prop_assert!(["no_encrypt", "should_encrypt", "must_encrypt"].contains(&shown), "{shown}");
            let state = connection.connection_state.as_ref().map(ConnectionState::as_str).unwrap_or_default();
            let order = ["no_encrypt", "should_encrypt", "must_encrypt"];
            let at = |word| order.iter().position(|known| *known == word);
            let goes_down = at(word_of(*mode)) < at(shown);
            prop_assert!(state == "available" || (state == "down" && goes_down), "{shown} to {mode} while {state}");
        }
    }

    #[test]
    fn only_fields_that_are_set_and_differ_are_sent(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((change, connection)) = sent(&plan, &past) {
            prop_assert!(!change.is_empty());
            if let Some(name) = &change.name {
                prop_assert_eq!(Some(name), desired.name.as_ref());
                prop_assert_ne!(Some(name), connection.connection_name.as_ref());
            }
            if let Some(mode) = change.mode {
                let wanted = desired.mode.expect("the mode is managed");
                prop_assert!(mode == wanted || (wanted == Must && mode == Should), "{mode} on the way to {wanted}");
                prop_assert_ne!(Some(mode), connection.mode());
            }
        }
    }

    #[test]
    fn up_the_ladder_only_a_settled_read_counts_and_what_interrupts_waits_for_its_turn(
        desired in any_spec(), past in any_past(), around in any_around(),
    ) {
        let plan = plan(&desired, &past, &around, past.now);
        let Some((Change { mode: Some(mode), .. }, connection)) = sent(&plan, &past) else { return Ok(()) };
        let is_up = connection.mode().is_some_and(|shown| *mode > shown);
        prop_assert!(!is_up || !(around.is_unsettled || around.has_other_proof));
        let interrupts = *mode == Must
            || (*mode == Should && connection.mode() == Some(No) && connection.has_key_at_all());
        prop_assert_eq!(interrupts, directconnect_core::decide::guard::interrupts(*mode, connection));
        prop_assert!(!interrupts || !around.is_waiting, "another connection is on its way");
    }

    #[test]
    fn nothing_goes_out_while_hands_are_off(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((_, connection)) = sent(&plan, &past) {
            prop_assert!(!desired.paused && desired.policy == ManagementPolicy::Manage && !around.has_older_claim);
            let state = connection.connection_state.as_ref().map(ConnectionState::as_str).unwrap_or_default();
            prop_assert!(["requested", "pending", "available", "down"].contains(&state), "{state:?}");
            let mode = connection.encryption_mode.as_ref().map(ObservedMode::as_str);
            prop_assert_ne!(mode, Some("quantum_encrypt"));
        }
    }

    #[test]
    fn every_update_is_decided_on_a_fresh_read_by_id(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if matches!(plan.step, Step::Update(_)) {
            let began = past.read_by_id.expect("it was read by id since the last update");
            prop_assert!(past.now.since(began) <= FRESH);
            let (began, _, connection) = past.last.clone().expect("it was seen");
            prop_assert!(connection.is_some() && past.ended.is_none_or(|ended| began > ended));
        }
    }

    #[test]
    fn what_is_lost_in_a_restart_harms_nothing(desired in any_spec(), past in any_past(), around in any_around()) {
        // If all reads but the newest are forgotten, `must_encrypt` is sent only for `Immediate`.
        let (began, by_id, connection) = past.last.clone().unwrap_or((past.now, true, None));
        let mut history = History::default();
        let source = if by_id { Source::ById } else { Source::Poll };
        history.record_read(Observation { source, ..read_at(began, connection) }, &SET);
        let restarted = Past { history, ..past };
        let plan = plan(&desired, &restarted, &around, restarted.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &restarted) {
            prop_assert_eq!(desired.transition, EncryptionTransition::Immediate);
        }
    }

    #[test]
    fn the_same_situation_later_reads_the_same(
        desired in any_spec(), past in any_past(), around in any_around(), passed in 1_u64..120,
    ) {
        let before = plan(&desired, &past, &around, past.now).verdict;
        let after = plan(&desired, &past, &around, past.now + Duration::from_secs(passed)).verdict;
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        // The message contains no number that changes with time alone, since each change would cause a status write.
        let words = |message: &str| message.split(|c: char| c.is_ascii_digit()).map(str::to_owned).collect::<String>();
        if words(&before.message) == words(&after.message) {
            prop_assert_eq!(before.message, after.message);
        }
    }

    #[test]
    fn a_plan_agrees_with_itself(desired in any_spec(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        prop_assert!(plan.next_check.is_none_or(|at| at > past.now), "a next decision that is due would turn in place");
        if let Some(verdict) = &plan.verdict {
            prop_assert!(!verdict.message.is_empty());
            let sending = matches!(plan.step, Step::Update(_));
            prop_assert!(!sending || verdict.reason == Reason::Updating);
            let resting = plan.step == Step::Rest;
            prop_assert!(!resting || verdict.reason != Reason::Updating, "it says that it acts, and does not");
            let ready = verdict.reason.phase() == Phase::Done && verdict.reason == Reason::InSync;
            prop_assert!(!ready || plan.is_met);
        }
        if plan.is_met {
            prop_assert_eq!(&plan.drift, &[]);
            prop_assert!(!matches!(plan.step, Step::Update(_)));
        }
    }

    #[test]
    fn conditions_never_contradict_each_other(desired in any_spec(), past in any_past(), around in any_around()) {
        let Some(verdict) = plan(&desired, &past, &around, past.now).verdict else { return Ok(()) };
        let all = conditions(&verdict, past.history.observation());
        let of = |wanted| all.iter().find(|condition| condition.condition_type == wanted);
        prop_assert!(!(of(ConditionType::Reconciling).is_some() && of(ConditionType::Stalled).is_some()));
        let ready = of(ConditionType::Ready).expect("Ready is always there");
        prop_assert!(of(ConditionType::LinkUp).is_some() && of(ConditionType::Encrypted).is_some());
        for carrier in [of(ConditionType::Reconciling), of(ConditionType::Stalled)].into_iter().flatten() {
            prop_assert_eq!(carrier.status, ConditionStatus::True);
            prop_assert!(ready.status != ConditionStatus::True && ready.message == carrier.message);
            prop_assert!(verdict.stale || ready.reason == carrier.reason);
        }
        prop_assert_eq!(ready.status == ConditionStatus::Unknown, verdict.stale);
    }
}
