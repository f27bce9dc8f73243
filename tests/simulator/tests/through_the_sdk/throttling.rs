//! The token bucket of each account and region.

use direct_connect_simulator::{Simulator, Throttle};

use crate::{REGION, client, eventually, refusal};

#[tokio::test]
async fn a_bucket_lets_a_burst_through_and_then_throttles() {
    let aws = Simulator::start().await;
    aws.configure(|settings| settings.throttle = Some(Throttle { capacity: 2, per_second: 0.0 }));
    let client = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    client.describe_connections().send().await.unwrap();
    client.describe_connections().send().await.unwrap();
    let answer = client.describe_connections().send().await;
    assert_eq!(answer.as_ref().unwrap_err().raw_response().map(|answer| answer.status().as_u16()), Some(400));
    assert_eq!(refusal(answer), ("ThrottlingException".to_owned(), "Rate exceeded".to_owned()));
    assert_eq!(aws.calls()[2].outcome.code(), Some("ThrottlingException"));
}

#[tokio::test]
async fn each_account_and_region_has_a_bucket_of_its_own() {
    let aws = Simulator::start().await;
    aws.configure(|settings| {
        settings.throttle = Some(Throttle { capacity: 1, per_second: 0.0 });
        settings.access_keys.extend([("AKIDOTHER".into(), "210987654321".into())]);
    });
    for (region, key) in [(REGION, "AKIDEXAMPLE"), ("eu-west-1", "AKIDEXAMPLE"), (REGION, "AKIDOTHER")] {
        let client = client(&aws.endpoint(), region, key);
        client.describe_connections().send().await.expect("the first call of this account and region");
        client.describe_connections().send().await.expect_err("the second");
    }
    let same_account = client(&aws.endpoint(), REGION, "AKIDANOTHERKEY");
    same_account.describe_connections().send().await.expect_err("a key does not make an account");
}

#[tokio::test]
async fn a_bucket_fills_again() {
    let aws = Simulator::start().await;
    aws.configure(|settings| settings.throttle = Some(Throttle { capacity: 1, per_second: 1.0 }));
    let client = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    eventually("a call is throttled", async || client.describe_connections().send().await.is_err()).await;
    eventually("a call goes through", async || client.describe_connections().send().await.is_ok()).await;
}
