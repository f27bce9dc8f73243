//! Random command lines and environment variables.

use std::time::Duration;

use clap::Parser;
use directconnect_operator::config::{Arguments, Command};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{any_words, cases};

const FLAGS: [&str; 11] = [
    "--poll-interval",
    "--watch-namespace",
    "--encryption-soak",
    "--settle-window",
    "--progress-deadline",
    "--concurrency",
    "--http-address",
    "--leader-elect",
    "--lease-name",
    "--lease-namespace",
    "--log-format",
];

/// Values that are valid for some flag, almost valid, or random.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[0-9]{1,25}(ns|us|ms|s|m|h|d|w|y| |)",
        1 => "-?[0-9.]{1,6}[a-z]{0,2}",
        1 => select(&["true", "false", "json", "text", "[::1]:0", "127.0.0.1:80", "a,b", "a.b", "-", "PT1H", "1h30m", "0"][..])
            .prop_map(str::to_owned),
        1 => any_words(),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_is_typed_is_a_setting_within_its_range_or_an_error(
        typed in vec((select(FLAGS.to_vec()), any_value(), any::<bool>()), 0..3),
    ) {
        let words = typed.iter().flat_map(|(flag, value, joined)| {
            if *joined { vec![format!("{flag}={value}")] } else { vec![(*flag).to_owned(), value.clone()] }
        });
        let line = ["directconnect-operator".to_owned(), "run".to_owned()].into_iter().chain(words);
        match Arguments::try_parse_from(line) {
            Err(error) => prop_assert!(!error.to_string().trim().is_empty()),
            Ok(Arguments { command: Command::Run(flags) }) => {
                let settings = flags.settings();
                let day = Duration::from_hours(24);
                prop_assert!((Duration::from_millis(100)..=day).contains(&settings.poll_interval));
                for wait in [settings.encryption_soak, settings.settle_window, settings.progress_deadline] {
                    prop_assert!(wait <= day);
                }
                prop_assert!((1..=1024).contains(&flags.concurrency));
                prop_assert!(flags.namespaces().iter().all(|name| (1..=63).contains(&name.len())));
                prop_assert!((1..=253).contains(&flags.lease_name.len()));
            }
            Ok(Arguments { command: Command::Crd }) => prop_assert!(false, "nobody asked for it"),
        }
    }
}
