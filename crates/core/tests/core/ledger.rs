//! What the ledger records for a turn, when it does, and when it is cleared.

use directconnect_core::desired::{Desired, EncryptionMode};
use directconnect_core::fault::{Effect, FaultKind};
use directconnect_core::history::{Change, History};
use directconnect_core::ledger::{AtRest, EarlierRelease, LastUpdate, Ledger, LedgerCircuit};
use directconnect_core::observed::Connection;

use crate::given::{
    Asks, ConnectionExt, ID, Must, No, REGION, SETTINGS, Should, Story, circuit, connection, encrypted_connection,
    fault, given, lost, renames, second, seconds, sets, spec,
};

const TIME: &str = "2026-03-02T09:00:00Z";

fn this_circuit() -> LedgerCircuit {
    (&circuit(REGION, ID)).into()
}

fn keyed() -> Connection {
    connection().key("associated")
}

fn cut() -> Connection {
    keyed().mode("must_encrypt").state("down")
}

fn tight() -> Connection {
    encrypted_connection().mode("must_encrypt")
}

/// The ledger at the end of a pass of the resource.
pub fn rested(story: &Story) -> Ledger {
    rested_as(story, true)
}

fn rested_as(story: &Story, acts: bool) -> Ledger {
    let is_settled = story.fleet.is_settled(story.circuit());
    let is_proof_over = story.fleet.circuit(story.circuit()).expect("it is known").is_proof_over();
    let end = AtRest { is_met: false, acts, is_settled, is_proof_over };
    story.ledger().at_rest(&story.spec, story.history(), end, story.fleet.settings())
}

fn is_unproven(story: &Story) -> Option<EncryptionMode> {
    rested(story).unproven_step
}

/// `must_encrypt` was sent, and the link is down since.
fn cut_off_story() -> Story {
    given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &cut()).after(1).sees(cut())
}

/// `should_encrypt` was sent to a connection with a key.
fn begun_story(spec: Desired) -> Story {
    let clear = keyed().mode("no_encrypt");
    given(spec).sees(clear).gets_answer(&sets(Should), &keyed()).after(1).sees(keyed())
}

#[test]
fn the_intention_says_which_step_is_under_way_and_drops_a_proof() {
    let proven = Ledger { proven: true, met_generation: Some(2), ..Ledger::default() };
    let spec = spec().to(Must).generation(3);
    for step in [Should, Must] {
        let written = proven.before_send(&spec, &sets(step), true, false, TIME.into());
        assert_eq!((written.unproven_step, written.proven), (Some(step), false));
        assert_eq!(written.must_encrypt_generation, (step == Must).then_some(3));
        assert_eq!(written.circuit, Some(this_circuit()));
        let sent =
            LastUpdate { time: TIME.into(), generation: 3, encryption_mode: Some(step), ..LastUpdate::default() };
        assert_eq!((written.last_update, written.met_generation), (Some(sent), Some(2)));
    }
}

#[test]
fn an_update_that_interrupts_nothing_leaves_step_and_proof_as_they_are() {
    let under_way = Ledger {
        unproven_step: Some(Must),
        must_encrypt_generation: Some(1),
        circuit: Some(this_circuit()),
        ..Ledger::default()
    };
    let proven = Ledger { proven: true, unproven_step: None, ..under_way.clone() };
    let spec = spec().name("fra-2").to(Must).generation(2);
    for change in [renames("fra-2"), sets(No), sets(Should), Change { name: Some("fra-2".into()), mode: Some(No) }] {
        for before in [&under_way, &proven] {
            let written = before.before_send(&spec, &change, false, false, TIME.into());
            assert_eq!(Ledger { last_update: None, ..written.clone() }, *before, "{change:?}");
            let sent = written.last_update.expect("it was sent");
            assert_eq!((sent.connection_name, sent.encryption_mode), (change.name.clone(), change.mode));
        }
    }
}

#[test]
fn what_was_certainly_not_carried_out_is_taken_back_and_in_doubt_it_stays() {
    let before = Ledger {
        proven: true,
        must_encrypt_generation: Some(1),
        met_generation: Some(1),
        circuit: Some(this_circuit()),
        last_update: Some(LastUpdate { time: "2026-03-01T00:00:00Z".into(), generation: 1, ..LastUpdate::default() }),
        ..Ledger::default()
    };
    let intention = before.before_send(&spec().to(Must).generation(2), &sets(Must), true, false, TIME.into());
    assert_eq!(intention.clone().after_failure(&before, Effect::None), before, "not blanked");
    assert_eq!(intention.clone().after_failure(&before, Effect::Unknown), intention);
    let answered = intention.clone().after_answer(Some("5b8cf2b7".into()));
    let request_id = answered.last_update.as_ref().and_then(|update| update.request_id.as_deref());
    assert_eq!(request_id, Some("5b8cf2b7"));
    assert_eq!(answered.unproven_step, Some(Must), "an answer proves nothing");
}

#[test]
fn only_a_settled_read_of_a_known_lower_mode_says_that_a_step_is_not_there() {
    let table = [
        ("late", cut_off_story().after(30).sees(encrypted_connection()), Some(Must)),
        ("as the window ends", cut_off_story().after(59).sees(connection()), Some(Must)),
        ("settled", cut_off_story().after(60).sees(connection()), None),
        ("settled, at no_encrypt", cut_off_story().after(60).sees(connection().mode("no_encrypt")), None),
        ("settled, without a mode", cut_off_story().after(60).sees(cut().without_mode()), Some(Must)),
        (
            "settled, a mode that nobody knows",
            cut_off_story().after(60).sees(cut().mode("quantum_encrypt")),
            Some(Must),
        ),
        ("no read for a day", cut_off_story().after(86_400), Some(Must)),
        ("down there for a day", cut_off_story().after(86_400).sees(cut()), Some(Must)),
        ("down there at every read of an hour", cut_off_story().sees_for(3600, &cut()), Some(Must)),
        ("left out by a listing", cut_off_story().after(60).polls_without_it(), Some(Must)),
        ("not found by its id", cut_off_story().after(60).misses(), Some(Must)),
        ("the answer was lost, late", lost_answer_story().after(72).sees(encrypted_connection()), Some(Must)),
        ("the answer was lost, settled", lost_answer_story().after(73).sees(encrypted_connection()), None),
    ];
    for (given, story, expected) in table {
        assert_eq!(is_unproven(&story), expected, "{given}");
    }
}

fn lost_answer_story() -> Story {
    given(spec().to(Must)).sees(encrypted_connection()).gets_refusal(&sets(Must), lost())
}

#[test]
fn a_step_is_over_in_a_lag_or_when_the_connection_is_gone() {
    assert_eq!(is_unproven(&cut_off_story().after(1).sees(tight().in_lag("dxlag-1"))), None);
    assert_eq!(is_unproven(&cut_off_story().after(1).sees(cut().state("deleted"))), None);
}

#[test]
fn a_step_is_over_when_its_resource_no_longer_wants_it() {
    for (wanted, expected) in [
        (spec().to(Must).paused(), Some(Must)),
        (spec().to(Must).observing(), Some(Must)),
        (spec().to(Should).paused(), None),
        (spec().to(No).observing(), None),
        (spec(), None),
    ] {
        let story = cut_off_story().with_spec(wanted.clone().generation(2));
        assert_eq!(is_unproven(&story), expected, "{wanted:?}");
    }
    // A resource that wants `must_encrypt` also wants the step to `should_encrypt`.
    assert_eq!(is_unproven(&begun_story(spec().to(Should)).with_spec(spec().to(Must).generation(2))), Some(Should));
    assert_eq!(is_unproven(&begun_story(spec().to(Should)).with_spec(spec().to(No).paused().generation(2))), None);
}

#[test]
fn one_soak_after_the_step_the_proof_is_written_and_the_step_cleared() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    assert_eq!(is_unproven(&story), Some(Must), "the soak before the step proves nothing of it");
    let story = story.after(1).sees_for(45, &tight()).after(14).sees(tight());
    assert_eq!((rested(&story).proven, is_unproven(&story)), (false, Some(Must)));
    let story = story.after(1).sees(tight());
    let written = rested(&story);
    assert_eq!((written.proven, written.unproven_step, written.circuit), (true, None, Some(this_circuit())));
    // A proof of `should_encrypt` is not a proof of `must_encrypt`.
    let up = encrypted_connection();
    let story = begun_story(spec().to(Must)).sees(up.clone()).soaks(&up);
    assert_eq!((rested(&story).proven, is_unproven(&story)), (false, None));
}

#[test]
fn the_proof_goes_to_the_one_that_acts_and_to_the_one_that_made_the_step() {
    let soaked = given(spec().to(Must)).soaks(&tight());
    assert!(rested_as(&soaked, true).proven, "an adopted connection, by the one that acts");
    assert!(!rested_as(&soaked, false).proven);
    let made = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    for spec in [spec().to(Must), spec().to(Must).observing(), spec().to(Must).paused()] {
        let story = given(spec).has_ledger(made.clone()).soaks(&tight());
        let written = rested_as(&story, false);
        assert_eq!((written.proven, written.unproven_step), (true, None));
    }
    // A resource that does not want the mode gets no proof.
    assert!(!rested_as(&given(spec().to(Should)).soaks(&tight()), true).proven);
    assert!(!rested_as(&given(spec()).soaks(&tight()), true).proven);
}

#[test]
fn a_proof_stands_while_must_encrypt_is_shown_and_wanted() {
    let proven = || given(spec().to(Must)).soaks(&tight()).writes();
    assert!(proven().ledger().proven);
    let table = [
        ("an outage", proven().after(60).sees(cut()), true),
        ("an outage of a day", proven().sees_for(3600, &cut()), true),
        ("keys gone, the mode still there", proven().after(60).sees(cut().without_keys()), true),
        ("paused", proven().with_spec(spec().to(Must).paused()), true),
        ("a new generation", proven().with_spec(spec().to(Must).name("fra-2").generation(2)), true),
        ("a read without a mode", proven().after(60).sees(cut().without_mode()), true),
        ("left out by a listing", proven().after(60).polls_without_it(), true),
        ("a restart", proven().restarts(5), true),
        ("lowered", proven().after(60).sees(connection()), false),
        ("in a LAG", proven().after(60).sees(tight().in_lag("dxlag-1")), false),
        ("deleted", proven().after(60).sees(tight().state("deleted")), false),
        ("not found by its id", proven().after(60).misses(), true),
        ("wanted lower", proven().with_spec(spec().to(Should).paused().generation(2)), false),
        ("not managed any more", proven().with_spec(spec().generation(2)), false),
    ];
    for (given, story, expected) in table {
        assert_eq!(rested(&story).proven, expected, "{given}");
    }
}

#[test]
fn late_reads_prove_no_must_encrypt() {
    // The soak of the step begins with the first read that shows it. Late reads do not count.
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    let story = story.after(1).sees_for(45, &encrypted_connection()).after(14).sees(tight());
    assert_eq!((rested(&story).proven, is_unproven(&story)), (false, Some(Must)));
    let story = story.sees_for(60, &tight());
    assert!(rested(&story).proven);
}

#[test]
fn a_step_to_should_encrypt_is_given_back_without_a_key_or_after_the_deadline() {
    let begun = || begun_story(spec().to(Must));
    let table = [
        ("no key, on a read that may be late", begun().after(30).sees(connection()), Some(Should)),
        ("no key, settled", begun().after(60).sees(connection()), None),
        ("only a key that leaves, settled", begun().after(60).sees(connection().key("disassociating")), None),
        ("a key that comes, settled", begun().after(60).sees(connection().key("associating")), Some(Should)),
        ("no key and no mode, settled", begun().after(60).sees(connection().without_mode()), Some(Should)),
        ("down, not quite for the deadline", begun().sees_for(585, &keyed()).after(14).sees(keyed()), Some(Should)),
        ("down for the deadline", begun().sees_for(600, &keyed()), None),
        ("two looks, a deadline apart", begun().after(600).sees(keyed()), Some(Should)),
        ("the clock alone", begun().after(86_400), Some(Should)),
        (
            "up once",
            begun().sees_for(300, &keyed()).after(15).sees(encrypted_connection()).after(15).sees_for(585, &keyed()),
            Some(Should),
        ),
        ("a gap", begun().sees_for(585, &keyed()).after(31).sees_for(585, &keyed()), Some(Should)),
        ("lower, settled", begun().after(60).sees(keyed().mode("no_encrypt")), None),
        ("lower, late", begun().after(30).sees(keyed().mode("no_encrypt")), Some(Should)),
    ];
    for (given, story, expected) in table {
        assert_eq!(is_unproven(&story), expected, "{given}");
    }
}

#[test]
fn a_refused_update_says_nothing_about_the_mode() {
    let kinds = [FaultKind::Rejected, FaultKind::AccessDenied, FaultKind::Throttled, FaultKind::NotFound];
    for kind in kinds {
        let story = given(spec().to(Must)).sees(encrypted_connection()).after(1).gets_refusal(&sets(Must), fault(kind));
        assert_eq!((is_unproven(&story), story.ledger().last_update), (None, None), "{kind:?}");
        // A refused lowering leaves the step unproven.
        let story = cut_off_story().gets_refusal(&sets(Should), fault(kind));
        assert_eq!(is_unproven(&story), Some(Must), "{kind:?}");
    }
    assert_eq!(is_unproven(&cut_off_story().gets_refusal(&sets(Should), lost()).after(1).sees(cut())), Some(Must));
}

#[test]
fn a_must_encrypt_that_was_sent_or_seen_is_noted_until_another_mode_is_wanted() {
    let noted = |story: &Story| rested(story).must_encrypt_generation;
    assert_eq!(noted(&given(spec().to(Must).generation(4)).sees(tight())), Some(4), "seen");
    assert_eq!(noted(&given(spec().to(Must).generation(4).paused()).sees(cut())), Some(4));
    let sent = given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &tight());
    assert_eq!(noted(&sent), Some(1), "sent");
    assert_eq!(noted(&lost_answer_story()), Some(1), "sent, in doubt");
    assert_eq!(noted(&cut_off_story().after(60).sees(connection())), Some(1), "taken back");
    // It was seen, and lowered again before a status was written.
    assert_eq!(noted(&given(spec().to(Must)).sees(tight()).after(60).sees(connection())), Some(1));
    for other in [spec().to(Should).paused(), spec().to(No).paused(), spec()] {
        assert_eq!(noted(&cut_off_story().with_spec(other.generation(2))), None);
    }
    assert_eq!(noted(&given(spec().to(Should)).sees(tight())), None, "not wanted");
}

#[test]
fn a_must_encrypt_that_may_have_been_stored_counts_until_another_mode_is_wanted() {
    let mut history = History::default();
    history.record_update_failure(&sets(Must), lost(), second(100), SETTINGS.poll_interval, 1.0);
    assert!(history.had_must());
    // Neither a step of the ladder nor a new generation that wants it too makes it forgotten.
    history.record_answer(&sets(Should), &connection(), second(110));
    for (generation, wanted, expected) in [(1, Must, true), (2, Must, true), (3, Should, false), (4, Must, false)] {
        history.start_generation("uid", generation, Some(wanted), second(120));
        assert_eq!(history.had_must(), expected, "generation {generation}");
    }
}

#[test]
fn a_call_is_the_same_with_and_without_its_request_id() {
    let sent = LastUpdate { time: TIME.into(), generation: 1, encryption_mode: Some(Must), ..LastUpdate::default() };
    let answered = LastUpdate { request_id: Some("5b8cf2b7".into()), ..sent.clone() };
    assert!(sent.is_same_call(&answered) && answered.is_same_call(&sent));
    assert!(!answered.is_same_call(&LastUpdate { generation: 2, ..answered.clone() }));
}

#[test]
fn a_ledger_of_another_connection_does_not_apply() {
    let ledger = Ledger {
        met_generation: Some(2),
        must_encrypt_generation: Some(2),
        unproven_step: Some(Must),
        proven: true,
        circuit: Some(this_circuit()),
        last_update: Some(LastUpdate::default()),
    };
    assert_eq!(ledger.clone().about(&circuit(REGION, ID), 2), ledger);
    assert_eq!(ledger.clone().about(&circuit("us-east-1", ID), 2), Ledger::default(), "the default region has changed");
    assert_eq!(ledger.clone().about(&circuit(REGION, "dxcon-ffffffff"), 2), Ledger::default());
    // A greater generation is from before the object was restored from a backup.
    let restored = ledger.clone().about(&circuit(REGION, ID), 1);
    assert_eq!((restored.met_generation, restored.must_encrypt_generation), (None, None));
    assert_eq!((restored.unproven_step, restored.proven), (Some(Must), false), "a proof of another life is none");
    // A step without a circuit may belong to this one and is kept; a proof must name its circuit.
    let nameless = Ledger { circuit: None, ..ledger }.about(&circuit(REGION, ID), 2);
    assert_eq!((nameless.unproven_step, nameless.proven), (Some(Must), false));
    // Only by hand can it say that a step to clear text is unproven. Nothing would ever end it.
    let clear = Ledger { unproven_step: Some(No), ..nameless }.about(&circuit(REGION, ID), 2);
    assert_eq!(clear.unproven_step, None);
}

#[test]
fn a_status_of_the_release_before_is_proven_where_it_shows_a_soak_after_the_mode() {
    let soak = SETTINGS.encryption_soak;
    let earlier = Ledger { must_encrypt_generation: Some(1), met_generation: Some(1), ..Ledger::default() };
    let shows = EarlierRelease { shows_must: true, encrypted_for: Some(seconds(3601)), updated: Some(seconds(3601)) };
    let is_proven = |ledger: &Ledger, shows| {
        let taken = ledger.clone().from_earlier_release(shows, &circuit(REGION, ID), soak);
        assert_eq!(taken.proven, taken.circuit.is_some(), "a proof names its connection");
        taken.proven
    };
    assert!(is_proven(&earlier, shows));
    assert!(is_proven(&earlier, EarlierRelease { updated: None, ..shows }), "found there");
    let not = [
        ("lower", EarlierRelease { shows_must: false, ..shows }),
        ("down", EarlierRelease { encrypted_for: None, ..shows }),
        ("up for no longer than a soak", EarlierRelease { encrypted_for: Some(soak), ..shows }),
        ("up for less than an hour", EarlierRelease { encrypted_for: Some(seconds(3600)), ..shows }),
        ("an update is too young", EarlierRelease { updated: Some(soak), ..shows }),
        ("an update is of a time to come", EarlierRelease { updated: Some(seconds(0)), ..shows }),
    ];
    for (given, shows) in not {
        assert!(!is_proven(&earlier, shows), "{given}");
    }
    assert!(!is_proven(&Ledger { must_encrypt_generation: None, ..earlier.clone() }, shows), "never there");
    // A ledger that this release has written is not asked again.
    let written = Ledger { circuit: Some(this_circuit()), ..earlier.clone() };
    assert_eq!(written.clone().from_earlier_release(shows, &circuit(REGION, ID), soak), written);
    // A status without proof is marked by the first write, so that it is not asked again.
    let story = given(spec().to(Must)).has_ledger(earlier).sees(cut());
    assert_eq!(rested(&story).circuit, Some(this_circuit()));
    let begun = Ledger { unproven_step: Some(Should), ..Ledger::default() };
    let story = given(spec().to(Should)).has_ledger(begun).sees(keyed());
    assert_eq!(rested(&story).circuit, Some(this_circuit()), "a step alone, too");
}

#[test]
fn the_matched_generation_is_recorded() {
    let end = AtRest { is_met: true, acts: true, is_settled: true, is_proof_over: false };
    let story = given(spec().to(Should).generation(3)).sees(connection());
    let met = |ledger: Ledger| ledger.at_rest(&story.spec, story.history(), end, story.fleet.settings()).met_generation;
    assert_eq!(met(Ledger::default()), Some(3));
    assert_eq!(met(Ledger { met_generation: Some(2), ..Ledger::default() }), Some(3));
    assert_eq!(
        rested(&story.has_ledger(Ledger { met_generation: Some(2), ..Ledger::default() })).met_generation,
        Some(2)
    );
}

#[test]
fn a_pass_that_finds_nothing_new_writes_nothing_new() {
    for story in
        [cut_off_story(), begun_story(spec().to(Must)), given(spec().to(Must)).soaks(&tight()), lost_answer_story()]
    {
        let once = rested(&story);
        let story = story.has_ledger(once.clone());
        assert_eq!(rested(&story), once);
    }
}
