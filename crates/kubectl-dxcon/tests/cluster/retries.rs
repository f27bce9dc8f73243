//! Reads of the API server that it turns away or cuts off are made again, and writes are not.

use test_support::{Front, Trouble, World, kubeconfig_via};

use crate::typed::Printed;
use crate::{dxcon, in_sync, run};

/// A command that asks the API server by way of a front.
async fn by_way_of(front: &Front, world: &World, arguments: &[&str]) -> Printed {
    let kubeconfig = kubeconfig_via(world.control_plane.kubeconfig(), &front.url(), &format!("by-{}", arguments[0]));
    let arguments = [arguments, &["-n", &world.namespace]].concat();
    run(dxcon(arguments).cluster(&kubeconfig).aws(&world.aws.endpoint())).await
}

fn troubles() -> [Trouble; 3] {
    [
        Trouble::status(429, "TooManyRequests", "too many requests").header("retry-after", "3600"),
        Trouble::status(503, "ServiceUnavailable", "it ends"),
        Trouble::CutBefore,
    ]
}

#[tokio::test]
async fn a_read_that_is_turned_away_or_cut_is_made_again() {
    let world = in_sync().await;
    for trouble in troubles() {
        let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
        front.trouble_from(0, 2, trouble.clone(), |request| request.method == "GET");
        let printed = by_way_of(&front, &world, &["status", "line"]).await;
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{trouble:?}: {}", printed.out);
    }
    let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
    front.trouble_from(0, 1, Trouble::CutBefore, |request| request.path.contains("selfsubjectaccessreviews"));
    let printed = by_way_of(&front, &world, &["check"]).await;
    assert!(printed.out.contains("you may read, pause, resume and reconcile"), "{printed:?}");
}

#[tokio::test]
async fn one_that_is_always_turned_away_ends_with_what_was_answered() {
    let world = in_sync().await;
    for (trouble, words) in troubles().into_iter().zip(["too many requests", "it ends", "does not answer"]) {
        let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
        front.trouble(trouble, |_| true);
        let printed = by_way_of(&front, &world, &["status"]).await;
        crate::assert_one_line(&printed, &[words]);
        assert_eq!(front.seen().len(), 4, "{words}");
    }
}

#[tokio::test]
async fn a_write_that_is_cut_is_not_made_again() {
    let world = in_sync().await;
    for trouble in [Trouble::CutBefore, Trouble::CutAfter, Trouble::status(503, "ServiceUnavailable", "it ends")] {
        let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
        front.trouble(trouble.clone(), |request| request.method == "PATCH");
        let printed = by_way_of(&front, &world, &["reconcile", "line"]).await;
        assert_eq!(printed.code, Some(1), "{trouble:?}: {printed:?}");
        assert_eq!(front.seen().iter().filter(|request| request.method == "PATCH").count(), 1, "{trouble:?}");
    }
}
