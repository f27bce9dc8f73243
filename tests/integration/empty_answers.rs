//! Something between the operator and AWS answers 200 with nothing in it.

use direct_connect_simulator::Connection;
use test_support::{REGION, Trouble, World, connection};

const ID: &str = "dxcon-aaaaaaaa";

/// The reason that a resource in sync has once every call is answered with this body.
async fn reason_after(body: &'static str) -> String {
    let mut world = World::builder().without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.start_operator();
    world.ready("line").await;
    let answer = Trouble::Answer { status: 200, headers: vec![], body: body.to_owned() };
    front.trouble(answer, |request| request.operation.is_some());
    let told = world.until("line", "told", |line| !line.is("Ready", "True", "InSync")).await;
    told.condition("Stalled").or(told.condition("Reconciling")).expect("one is there").reason
}

#[tokio::test]
async fn an_answer_that_says_nothing_does_not_say_that_a_connection_is_gone() {
    let bodies = ["", "{}", r#"{"connections":null}"#, "<html>welcome</html>"];
    let reasons = futures::future::join_all(bodies.map(reason_after)).await;
    assert_eq!(reasons, ["AwsUnavailable"; 4], "{bodies:?}");
}
