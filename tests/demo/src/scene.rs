//! The scene of the demo: an API server, a simulated Direct Connect, and the operator.

use direct_connect_simulator::{Connection, Simulator};
use std::time::Duration;
use test_support::{ControlPlane, Operator, REGION, repository, shipped_rbac, wait};

use crate::print::{Printer, Tint};

/// The namespace of the operator, as in a real installation.
const NAMESPACE: &str = "directconnect-operator";

/// The soak. The other connection of a pair waits this long for its turn, and meanwhile the demo has to show it
/// waiting.
const SOAK: &str = "6s";
const POLL_INTERVAL: &str = "1s";

/// The time from when a key works until MACsec is up: long enough to be seen waiting.
const MACSEC_UP_AFTER: Duration = Duration::from_secs(4);

/// A dedicated connection of a redundant pair, without a key.
pub const FRANKFURT_A: &str = "dxcon-fg1234ab";
/// The other connection of the pair, with a key.
pub const FRANKFURT_B: &str = "dxcon-fg5678cd";
/// A member of a LAG.
pub const MUNICH: &str = "dxcon-ffz9k2mu";
/// A hosted connection, so without MACsec.
pub const BERLIN: &str = "dxcon-fh3q7tbe";

/// Everything that runs. The operator is dropped first, so that it does not lose the others while it runs.
pub struct Scene {
    pub operator: Operator,
    pub aws: Simulator,
    pub control_plane: ControlPlane,
}

/// Starts everything.
pub async fn set(print: &mut Printer) -> Scene {
    print.line(Tint::Heading, "directconnect-operator on this machine alone: no cluster and no AWS account is touched");
    print.line(Tint::None, "");
    let control_plane = ControlPlane::start().await;
    print.line(Tint::None, &format!("Kubernetes       etcd and kube-apiserver {}", version(&control_plane).await));
    control_plane.install_crd().await;
    let namespace = repository("deploy/kustomize/base/namespace.yaml");
    control_plane.kubectl(&["apply", "--filename", &namespace.to_string_lossy()], "").await.text();
    let kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, &shipped_rbac()).await;

    let aws = direct_connect().await;
    print.line(Tint::None, &format!("Direct Connect   simulated, four connections in {REGION}"));

    // The simulated AWS shows updates at once.
    let flags = [("--poll-interval", POLL_INTERVAL), ("--encryption-soak", SOAK), ("--settle-window", "0s")];
    let operator = flags
        .iter()
        .fold(Operator::builder(), |operator, (flag, value)| operator.flag(flag, value))
        .env("KUBECONFIG", kubeconfig.to_string_lossy())
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", aws.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", REGION)
        .flag("--http-address", std::env::var("DEMO_HTTP_ADDRESS").unwrap_or("127.0.0.1:0".to_owned()))
        .flag("--log-format", "json")
        .start();
    wait::until(wait::SOON, "the operator to be ready", async || {
        let ready = operator.http_get("/readyz").await;
        if ready.status == 200 { Ok(()) } else { Err(ready.body) }
    })
    .await;
    let flags = flags.map(|(flag, value)| format!("{flag} {value}")).join(" ");
    print.line(Tint::None, &format!("Operator         directconnect-operator run {flags}"));
    Scene { operator, aws, control_plane }
}

async fn version(control_plane: &ControlPlane) -> String {
    let version = control_plane.client().await.apiserver_version().await;
    version.expect("the API server tells its version").git_version
}

async fn direct_connect() -> Simulator {
    let aws = Simulator::start().await;
    aws.configure(|settings| {
        settings.macsec_up_after = MACSEC_UP_AFTER;
        settings.key_change_after = Duration::from_secs(1);
    });
    let at = |mut connection: Connection, location: &str| {
        let device = Some(format!("{location}-2f9n0w1q7a3k"));
        connection.location = Some(location.to_owned());
        connection.aws_device.clone_from(&device);
        connection.aws_logical_device_id.clone_from(&device);
        connection.aws_device_v2 = device;
        connection
    };
    let frankfurt_a = Connection::new(FRANKFURT_A, "frankfurt-a").with_mode("no_encrypt").with_tag("team", "network");
    let frankfurt_b = Connection::new(FRANKFURT_B, "dx-frankfurt-2").with_mode("no_encrypt").with_key("c0ffee02");
    let munich = Connection::new(MUNICH, "dx-munich").in_lag("dxlag-fgzzq8mu");
    let berlin = Connection::new(BERLIN, "berlin").hosted(101);
    aws.add(REGION, at(frankfurt_a, "EqFR5"));
    aws.add(REGION, at(frankfurt_b, "INXFRA6"));
    aws.add(REGION, at(munich, "EqMU1"));
    aws.add(REGION, at(berlin, "IPBBE"));
    aws
}
