//! Which specs are wishes, and which are not.

use directconnect_core::desired::{ConnectionKey, Desired, InvalidSpec, Wish, is_region};

use crate::given::{ID, Must, REGION};

const WISH: Wish<'_> = Wish { connection_id: ID, ..BLANK };
const BLANK: Wish<'_> = Wish {
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
fn a_spec_becomes_a_wish_field_by_field() {
    let wish = Wish { name: Some("fra-1"), mode: Some(Must), paused: true, generation: 7, ..WISH };
    let desired = Desired::new(&wish, Some(REGION)).expect("it is valid");
    assert_eq!(desired.key, ConnectionKey { region: REGION.into(), id: ID.into() });
    assert_eq!(desired.key.to_string(), "dxcon-fg1234ab in eu-central-1");
    assert_eq!((desired.name.as_deref(), desired.mode), (Some("fra-1"), Some(Must)));
    assert!(desired.paused && desired.generation == 7);
}

#[test]
fn a_region_of_its_own_goes_before_that_of_the_operator() {
    let of = |region, default| Desired::new(&Wish { region, ..WISH }, default).map(|desired| desired.key.region);
    assert_eq!(of(Some("us-east-1"), Some(REGION)), Ok("us-east-1".into()));
    assert_eq!(of(Some("us-east-1"), None), Ok("us-east-1".into()));
    assert_eq!(of(None, None), Err(InvalidSpec::NoRegion));
    assert_eq!(of(Some("mars"), Some(REGION)), Err(InvalidSpec::Region("mars".into())));
    assert_eq!(of(None, Some("mars")), Err(InvalidSpec::Region("mars".into())));
}

#[test]
fn connection_ids_are_dxcon_and_eight_or_more() {
    let is_one = |id: &str| Desired::new(&Wish { connection_id: id, ..WISH }, Some(REGION)).is_ok();
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
fn names_have_one_to_200_characters_none_of_them_a_control_character() {
    let is_one = |name: &str| Desired::new(&Wish { name: Some(name), ..WISH }, Some(REGION)).is_ok();
    for name in ["x", " ", "Frankfurt ⇄ Zürich", &"ü".repeat(200)] {
        assert!(is_one(name), "{name}");
    }
    for name in ["", "a\nb", "a\tb", "a\u{85}b", &"ü".repeat(201)] {
        assert!(!is_one(name), "{name:?}");
    }
}

#[test]
fn a_bad_value_is_shown_and_cut() {
    let error = Desired::new(&Wish { connection_id: &"x".repeat(200), ..WISH }, None).expect_err("it is no id");
    assert_eq!(error, InvalidSpec::ConnectionId("x".repeat(80)));
    assert!(error.to_string().contains("such as dxcon-fg1234ab"));
    assert!(InvalidSpec::NoRegion.to_string().contains("set AWS_REGION on the operator"));
}
