//! A soak is a chain of reads: which reads continue it, which are ignored, and which start it again.

use std::time::Duration;

use directconnect_core::fault::FaultKind;
use directconnect_core::history::{History, Observation, Source};
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;

use crate::given::{
    Asks, ConnectionExt, Must, No, SETTINGS, Should, connection, encrypted_connection, fault, given, given_with,
    read_at, renames, second, seconds, sets, spec,
};

const SOAK: Duration = SETTINGS.encryption_soak;

fn tight() -> Connection {
    encrypted_connection().mode("must_encrypt")
}

/// A history of reads by id at these seconds.
fn history(reads: &[(u64, Option<Connection>)], settings: &Settings) -> History {
    let mut history = History::default();
    for (at, connection) in reads {
        history.record_read(read_at(second(*at), connection.clone()), settings);
    }
    history
}

/// Since when MACsec has certainly been up, given reads at these seconds that show it up.
fn up_since(reads: &[u64], settings: &Settings) -> Option<u64> {
    let reads: Vec<_> = reads.iter().map(|&at| (at, Some(encrypted_connection()))).collect();
    history(&reads, settings).macsec_up_since().map(|since| since.since(second(0)).as_secs())
}

#[test]
fn a_read_continues_a_soak_if_the_one_before_began_no_more_than_two_cadences_earlier() {
    let table: [(&str, &[u64], u64); 5] = [
        ("every 15 s", &[100, 115, 130, 145, 160], 100),
        ("one left out", &[100, 130, 160], 100),
        ("a second more", &[100, 131], 131),
        ("a gap at the end", &[100, 115, 130, 145, 176], 176),
        ("a gap in the middle", &[100, 115, 146, 160], 146),
    ];
    for (given, reads, since) in table {
        assert_eq!(up_since(reads, &SETTINGS), Some(since), "{given}");
    }
    let rare = Settings { poll_interval: seconds(1800), ..SETTINGS };
    assert_eq!(up_since(&[0, 1800], &rare), Some(1800), "the cadence is 15 s at most");
    assert_eq!(up_since(&[0, 30], &rare), Some(0));
    let often = Settings { poll_interval: seconds(5), ..SETTINGS };
    assert_eq!(up_since(&[0, 10, 21], &often), Some(21), "and every poll if that is shorter");
}

#[test]
fn polls_count_as_reads_by_id_do() {
    let mut history = History::default();
    for (at, source) in [(100, Source::Poll), (125, Source::ById), (150, Source::Poll), (160, Source::Poll)] {
        let read = Observation { source, ..read_at(second(at), Some(encrypted_connection())) };
        history.record_read(read, &SETTINGS);
    }
    assert!(history.is_soaked(Should, SOAK));
}

#[test]
fn a_read_that_shows_no_mode_counts_for_nothing() {
    let nothing = [
        encrypted_connection().without_mode(),
        encrypted_connection().mode("unknown"),
        encrypted_connection().mode("quantum_encrypt"),
        // It does not end the soak either, since such an answer means nothing.
        connection().without_mode(),
    ];
    for blank in nothing {
        let up = || Some(encrypted_connection());
        let reads = [(100, up()), (125, up()), (140, Some(blank.clone())), (155, up()), (160, up())];
        assert!(history(&reads, &SETTINGS).is_soaked(Should, SOAK), "{blank:?}");
        let reads = [(100, up()), (125, up()), (140, Some(blank.clone())), (156, up()), (160, up())];
        let broken = history(&reads, &SETTINGS);
        assert_eq!(broken.macsec_up_since(), Some(second(156)), "it bridges no gap");
    }
}

#[test]
fn a_failed_read_counts_for_nothing() {
    let mut history = history(&[(100, Some(encrypted_connection()))], &SETTINGS);
    for at in [115, 130, 145] {
        history.record_read_failure(fault(FaultKind::Unavailable), second(at), SETTINGS.poll_interval, 0.5);
    }
    history.record_read(read_at(second(160), Some(encrypted_connection())), &SETTINGS);
    assert_eq!(history.macsec_up_since(), Some(second(160)));
}

#[test]
fn a_late_read_counts_for_nothing() {
    let sent = |at| {
        let mut history = history(&[(at - 1, Some(encrypted_connection()))], &SETTINGS);
        history.record_answer(&sets(Must), &tight(), second(at));
        history
    };
    let read = |history: &mut History, at, connection| {
        history.record_read(read_at(second(at), Some(connection)), &SETTINGS);
    };
    // A late read does not start a soak, does not continue one, and does not end one.
    let mut history = sent(100);
    read(&mut history, 101, encrypted_connection());
    assert_eq!(history.macsec_up_since(), None);
    read(&mut history, 110, tight());
    read(&mut history, 125, encrypted_connection());
    read(&mut history, 140, tight());
    assert_eq!(history.macsec_up_since(), Some(second(110)));
    read(&mut history, 155, connection().key("associated"));
    assert_eq!(history.macsec_up_since(), Some(second(110)), "a late one that shows it down");
    read(&mut history, 158, encrypted_connection());
    read(&mut history, 171, tight());
    assert_eq!(history.macsec_up_since(), Some(second(171)), "it bridges no gap");
    // A read with a late name counts as late in all fields.
    let mut history = History::default();
    history.record_read(read_at(second(99), Some(encrypted_connection())), &SETTINGS);
    history.record_answer(&renames("fra-2"), &encrypted_connection().named("fra-2"), second(100));
    read(&mut history, 101, encrypted_connection());
    assert_eq!(history.macsec_up_since(), None);
}

#[test]
fn reads_out_of_order_or_from_before_an_update_ended_are_no_part_of_it() {
    let mut history = history(&[(100, Some(encrypted_connection())), (120, Some(encrypted_connection()))], &SETTINGS);
    assert!(!history.record_read(read_at(second(110), Some(connection().key("associated"))), &SETTINGS));
    assert_eq!(history.macsec_up_since(), Some(second(100)));
    history.record_answer(&sets(Must), &tight(), second(130));
    let slow = Observation { ended: second(140), ..read_at(second(129), Some(tight())) };
    assert!(!history.record_read(slow, &SETTINGS));
    assert_eq!(history.macsec_up_since(), None);
}

#[test]
fn a_soak_is_of_one_mode() {
    let up = |mode| Some(encrypted_connection().mode(mode));
    let reads = [(100, up("no_encrypt")), (115, up("should_encrypt")), (130, up("should_encrypt"))];
    let climbing = history(&reads, &SETTINGS);
    assert_eq!(climbing.macsec_up_since(), Some(second(115)));
    let mut reads: Vec<_> = (0..5).map(|n| (100 + 15 * n, up("should_encrypt"))).collect();
    assert!(history(&reads, &SETTINGS).is_soaked(Should, SOAK));
    reads.push((175, up("must_encrypt")));
    let raised = history(&reads, &SETTINGS);
    assert!(!raised.is_soaked(Should, SOAK) && !raised.is_soaked(Must, SOAK));
}

#[test]
fn a_listing_without_the_connection_neither_continues_nor_breaks_it() {
    let mut history = history(&[(100, Some(encrypted_connection())), (120, Some(encrypted_connection()))], &SETTINGS);
    history.record_read(Observation { source: Source::Poll, ..read_at(second(135), None) }, &SETTINGS);
    assert!(history.is_missing());
    history.record_read(read_at(second(150), Some(encrypted_connection())), &SETTINGS);
    assert_eq!((history.macsec_up_since(), history.is_missing()), (Some(second(100)), false));
}

#[test]
fn reads_that_failed_for_an_hour_are_no_soak() {
    let mut story = given(spec().to(Must)).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
    for _ in 0..60 {
        story = story.after(60).read_fails(fault(FaultKind::Unavailable));
    }
    let story = story.after(1).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
    story.soaks(&encrypted_connection()).sends(&sets(Must));
}

#[test]
fn polls_from_before_the_spec_change_count_only_if_they_were_as_close() {
    let rare = Settings { poll_interval: seconds(1800), ..SETTINGS };
    let story =
        given_with(rare, spec()).polls(encrypted_connection()).after(1800).polls(encrypted_connection()).after(5);
    let story = story.with_spec(spec().to(Must).generation(2)).sees(encrypted_connection());
    story.rests(Reason::WaitingForEncryptionUp);
    // These reads are close enough, whatever they were made for.
    let story = given(spec().to(Should)).soaks(&encrypted_connection()).after(5);
    story.with_spec(spec().to(Must).generation(2)).sees(encrypted_connection()).sends(&sets(Must));
}

#[test]
fn a_session_that_flaps_between_two_reads_of_an_outage_is_not_taken_for_a_soak() {
    // One read in the middle shows it down, with failed reads around it.
    let story = given(spec().to(Must)).sees(encrypted_connection()).after(15).sees(connection().key("associated"));
    let story = story.after(5).read_fails(fault(FaultKind::Throttled)).after(10).sees(encrypted_connection());
    story
        .after(30)
        .sees(encrypted_connection())
        .after(15)
        .sees(encrypted_connection())
        .rests(Reason::WaitingForEncryptionUp);
}

#[test]
fn down_for_a_while_is_a_chain_of_reads_too() {
    let down = || Some(connection().key("associated"));
    let long = seconds(60);
    let chain = |reads: &[(u64, Option<Connection>)]| history(reads, &SETTINGS).was_down_for(Should, long);
    assert!(chain(&[(100, down()), (130, down()), (160, down())]));
    assert!(!chain(&[(100, down()), (130, down()), (159, down())]));
    assert!(!chain(&[(100, down()), (160, down())]), "a gap");
    let keyless = || Some(connection());
    assert!(chain(&[(100, down()), (130, keyless()), (160, down())]), "with a key or without");
    assert!(!chain(&[(100, down()), (130, Some(encrypted_connection())), (145, down()), (160, down())]), "up once");
    let reads = [(100, down()), (130, down()), (160, down())];
    assert!(!history(&reads, &SETTINGS).was_down_for(No, long), "of the mode that the reads showed");
}

#[test]
fn reads_of_a_soak_are_two_at_least_15_s_apart_at_most_and_never_closer_than_a_second() {
    let cadence = |poll, soak| {
        let settings = Settings {
            poll_interval: Duration::from_millis(poll),
            encryption_soak: Duration::from_millis(soak),
            ..SETTINGS
        };
        settings.soak_cadence().as_millis()
    };
    assert_eq!(cadence(60_000, 60_000), 15_000);
    assert_eq!(cadence(60_000, 10_000), 5_000);
    assert_eq!(cadence(5_000, 60_000), 5_000);
    assert_eq!(cadence(60_000, 500), 1_000);
    assert_eq!(cadence(60_000, 0), 1_000);
    assert_eq!(cadence(200, 500), 200, "listings come as often anyway");
}
