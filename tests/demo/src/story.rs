//! The story of the demo.

use serde_json::json;

use crate::Wrong;
use crate::scene::{FRANKFURT_A, FRANKFURT_B, MUNICH};
use crate::stage::Expected::{Ready, Reconciling, Stalled};
use crate::stage::Stage;
use test_support::{REGION, wait};

/// The number of updates in the story. Nothing else changes AWS.
const UPDATES: usize = 6;

/// Plays the whole story.
pub async fn play(stage: &mut Stage) -> Result<(), Wrong> {
    stage.pause().await;
    before_it_is_merged(stage).await?;
    stage.pause().await;
    name_and_mode(stage).await?;
    stage.pause().await;
    to_must_encrypt(stage).await?;
    // There is no pause here, since the turn is free soon.
    one_at_a_time(stage).await?;
    stage.pause().await;
    refused(stage).await?;
    stage.pause().await;
    seen(stage).await?;
    stage.pause().await;
    stage.chapter("7. The log of AWS");
    stage.calm(3).await?;
    stage.show_log(UPDATES)
}

async fn before_it_is_merged(stage: &mut Stage) -> Result<(), Wrong> {
    stage.chapter("1. What an account has, and what a commit would do to it");
    stage.dxcon(&["import"], 0).await?;
    stage.keep("import");
    stage.say("Two manifests ask for must_encrypt on a pair of lines that carry clear text.");
    stage.dxcon(&["plan", "--filename", "tests/demo/resources/pair.yaml"], 2).await?;
    stage.keep("plan");
    Ok(())
}

async fn name_and_mode(stage: &mut Stage) -> Result<(), Wrong> {
    stage.chapter("2. A name and a mode, from spec to AWS to status");
    stage.apply("frankfurt-b").await?;
    stage.status("frankfurt-b", Reconciling("Updating"), "connectionName").await?;
    stage.update(&json!({"connectionId": FRANKFURT_B, "connectionName": "frankfurt-b"})).await?;
    stage.status("frankfurt-b", Ready("InSync"), "").await?;
    stage.patch("frankfurt-b", &json!({"encryptionMode": "should_encrypt"})).await?;
    stage.status("frankfurt-b", Reconciling("Updating"), "encryptionMode").await?;
    stage.update(&json!({"connectionId": FRANKFURT_B, "encryptionMode": "should_encrypt"})).await?;
    stage.status("frankfurt-b", Ready("InSync"), "").await?;
    stage.show(&["get", "dxcon"]).await?;
    stage.keep("name-and-mode");
    Ok(())
}

async fn to_must_encrypt(stage: &mut Stage) -> Result<(), Wrong> {
    const NAME: &str = "frankfurt-a";
    stage.chapter("3. A live line goes from no_encrypt to must_encrypt");
    stage.apply(NAME).await?;
    stage.status(NAME, Reconciling("Updating"), "encryptionMode to should_encrypt").await?;
    stage.update(&json!({"connectionId": FRANKFURT_A, "encryptionMode": "should_encrypt"})).await?;
    stage.status(NAME, Stalled("NoMacSecKey"), "associate a MACsec key").await?;
    stage.show(&["get", "dxcon", NAME]).await?;

    // The other one has a key, and holds the turn until it has shown Encryption Up for a whole soak. So it has to come up well
    // before this one does.
    wait::until(wait::SOON, "MACsec to be up on the other connection", async || {
        stage.aws().connection(REGION, FRANKFURT_B).is_some_and(|line| line.encryption_is_up())
    })
    .await;
    stage.say(&format!("The network engineer associates a MACsec key with {FRANKFURT_A}."));
    stage.aws().associate_key(REGION, FRANKFURT_A, "c0ffee01");
    stage.status(NAME, Reconciling("WaitingForEncryptionUp"), "waiting for an associated key").await?;
    stage.show(&["get", "dxcon", NAME]).await?;
    stage.say("The router at the far end answers, and the MACsec session comes up.");
    stage.status(NAME, Reconciling("WaitingForEncryptionUp"), "is Encryption Up").await?;
    stage.show(&["get", "dxcon", NAME]).await?;
    stage.say("That has held for the whole soak, so a wrong key can no longer be what cuts the line.");
    stage.status(NAME, Reconciling("Updating"), "encryptionMode to must_encrypt").await?;
    stage.update(&json!({"connectionId": FRANKFURT_A, "encryptionMode": "must_encrypt"})).await?;
    stage.status(NAME, Ready("InSync"), "").await?;
    stage.show(&["get", "dxcon", NAME]).await?;
    stage.keep("must-encrypt");
    Ok(())
}

async fn one_at_a_time(stage: &mut Stage) -> Result<(), Wrong> {
    const NAME: &str = "frankfurt-b";
    stage.chapter("4. Its redundant partner follows, but not at the same time");
    stage.patch(NAME, &json!({"encryptionMode": "must_encrypt"})).await?;
    stage.status(NAME, Reconciling("WaitingForTurn"), "default/frankfurt-a").await?;
    stage.say("frankfurt-a has to show Encryption Up for a whole soak as must_encrypt.");
    stage.status(NAME, Reconciling("Updating"), "encryptionMode to must_encrypt").await?;
    stage.update(&json!({"connectionId": FRANKFURT_B, "encryptionMode": "must_encrypt"})).await?;
    stage.status(NAME, Ready("InSync"), "").await?;
    stage.keep("one-at-a-time");
    Ok(())
}

async fn refused(stage: &mut Stage) -> Result<(), Wrong> {
    stage.chapter("5. What is not sent: a mode to a member of a LAG, or to a hosted connection");
    stage.apply("munich-1").await?;
    stage.status("munich-1", Reconciling("Updating"), "connectionName").await?;
    stage.update(&json!({"connectionId": MUNICH, "connectionName": "munich-1"})).await?;
    stage.status("munich-1", Stalled("LagMember"), "takes its encryptionMode").await?;
    stage.apply("berlin").await?;
    stage.status("berlin", Stalled("MacSecNotSupported"), "is a hosted connection").await?;
    stage.show(&["get", "dxcon"]).await?;
    stage.keep("refused");
    Ok(())
}

async fn seen(stage: &mut Stage) -> Result<(), Wrong> {
    stage.chapter("6. Everything that AWS says is in status");
    let yaml = stage.show(&["get", "dxcon", "frankfurt-a", "--output", "yaml"]).await?;
    stage.keep_text("status", &yaml);
    Ok(())
}
