//! Which specs are valid.

use directconnect_core::desired::{DefaultRegion, Desired, InvalidSpec, SpecInput};
use directconnect_core::identity::RegionName;

use crate::given::{ID, Must, REGION, circuit, region};

fn own() -> DefaultRegion {
    DefaultRegion::Set(RegionName::parse(REGION).expect("a region"))
}

fn is_region(word: &str) -> bool {
    RegionName::parse(word).is_some()
}

const SPEC: SpecInput<'_> = SpecInput { connection_id: ID, ..BLANK };
const BLANK: SpecInput<'_> = SpecInput {
    connection_id: "",
    region: None,
    name: None,
    mode: None,
    transition: directconnect_core::desired::EncryptionTransition::Guarded,
    policy: directconnect_core::desired::ManagementPolicy::Manage,
    paused: false,
    generation: 0,
};

#[test]
fn a_spec_is_taken_in_field_by_field() {
    let spec = SpecInput { name: Some("fra-1"), mode: Some(Must), paused: true, generation: 7, ..SPEC };
    let desired = Desired::new(&spec, &own()).expect("it is valid");
    assert_eq!(desired.circuit, circuit(REGION, ID));
    assert_eq!(desired.circuit.to_string(), "dxcon-fg1234ab in eu-central-1");
    assert_eq!((desired.name.as_deref(), desired.mode), (Some("fra-1"), Some(Must)));
    assert!(desired.paused && desired.generation == 7);
}

#[test]
fn a_region_of_its_own_goes_before_that_of_the_operator() {
    let wrong = || DefaultRegion::Invalid("AWS_REGION is \"mars\"".into());
    let of =
        |region, default| Desired::new(&SpecInput { region, ..SPEC }, &default).map(|desired| desired.circuit.region);
    assert_eq!(of(Some("us-east-1"), own()), Ok(region("us-east-1")));
    assert_eq!(of(Some("us-east-1"), DefaultRegion::Unset), Ok(region("us-east-1")));
    assert_eq!(of(Some("us-east-1"), wrong()), Ok(region("us-east-1")));
    assert_eq!(of(None, own()), Ok(region(REGION)));
    assert_eq!(of(None, DefaultRegion::Unset), Err(InvalidSpec::NoRegion));
    assert_eq!(of(Some("mars"), own()), Err(InvalidSpec::Region("mars".into())));
    let error = of(None, wrong()).expect_err("it is no region");
    assert!(error.to_string().starts_with("the operator's own region"), "it is no error of spec.region: {error}");
}

#[test]
fn connection_ids_are_dxcon_and_eight_or_more() {
    let is_one = |id: &str| Desired::new(&SpecInput { connection_id: id, ..SPEC }, &own()).is_ok();
    let longest = format!("dxcon-{}", "a".repeat(58));
    for id in ["dxcon-fg1234ab", "dxcon-00000000", "dxcon-abcdefgh9", &longest] {
        assert!(is_one(id), "{id}");
    }
    let too_long = format!("dxcon-{}", "a".repeat(59));
    for id in [
        "",
        "dxcon-",
        "dxcon-1234567",
        "dxcon-1234567A",
        "dxcon-1234-678",
        "dxlag-fg1234ab",
        " dxcon-fg1234ab",
        &too_long,
    ] {
        assert!(!is_one(id), "{id}");
    }
}

#[test]
fn regions_read_as_aws_writes_them() {
    for region in [
        "eu-central-1",
        "us-gov-west-1",
        "us-iso-east-1",
        "cn-north-1",
        "ap-southeast-12",
        "eusc-de-east-1",
        "us-a-b-c-1",
    ] {
        assert!(is_region(region), "{region}");
    }
    let wrong = [
        "",
        "eu",
        "eu-1",
        "eu-central",
        "eu-central-",
        "eu-central-123",
        "eu-central-x",
        "e-central-1",
        "europ-central-1",
        "EU-central-1",
        "eu-centra1-1",
        "eu--1",
        "-central-1",
        "eu-a-b-c-d-1",
        "1u-central-1",
        "eu-averyveryverylongplacename-bb-1",
    ];
    for region in wrong {
        assert!(!is_region(region), "{region}");
    }
    assert!(is_region("eu-averyveryverylongplacenames-1") && "eu-averyveryverylongplacenames-1".len() == 32);
    assert!(!is_region("eu-averyveryverylongplacenamess-1"));
}

#[test]
fn names_have_one_to_200_characters_no_control_characters_and_no_blank_at_an_end() {
    let is_one = |name: &str| Desired::new(&SpecInput { name: Some(name), ..SPEC }, &own()).is_ok();
    for name in ["x", "a b", "Frankfurt ⇄ Zürich", &"ü".repeat(200)] {
        assert!(is_one(name), "{name}");
    }
    for name in ["", " ", " x", "x ", "x\u{a0}", "a\nb", "a\tb", "a\u{85}b", &"ü".repeat(201)] {
        assert!(!is_one(name), "{name:?}");
    }
}

#[test]
fn a_bad_value_is_shown_and_cut() {
    let error = Desired::new(&SpecInput { connection_id: &"x".repeat(200), ..SPEC }, &DefaultRegion::Unset)
        .expect_err("it is no id");
    assert_eq!(error, InvalidSpec::ConnectionId("x".repeat(80)));
    assert!(error.to_string().contains("such as dxcon-fg1234ab"));
    assert!(InvalidSpec::NoRegion.to_string().contains("set AWS_REGION on the operator"));
}
