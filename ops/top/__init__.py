"""`tenure top`: what the services and the watch do now, on one screen."""
