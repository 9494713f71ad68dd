"""Entry: `streamlit run app.py`. Server hooks when imported, the frame when executed; nothing else.

Streamlit imports this file once as the ASGI module and then executes it as `__main__` for every
rerun. It finds `app` by reading the source, so keep that line a plain assignment.
"""

import streamlit as st

if __name__ != "__main__":
    from pages.menu import FIRST_IMPORTS, SLOW_IMPORTS
    from pages.ui.site.server import lifespan, middleware, on_script_error, prepare, routes

    prepare()
    app = st.App(
        __file__,
        lifespan=lifespan(FIRST_IMPORTS, SLOW_IMPORTS),
        routes=routes(),
        middleware=middleware(),
        on_script_error=on_script_error,
    )
else:
    from pages.menu import draw_profile, sections
    from pages.ui.site.frame import run_app

    run_app(sections, draw_profile)
