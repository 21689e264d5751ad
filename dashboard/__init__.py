"""The app shell: entry point, sign-in, navigation, scope, components and charts."""
