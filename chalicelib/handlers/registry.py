from chalicelib.handlers import flow
def registry(settings):
    return {h.name: h for h in (flow.input_, flow.output, flow.noop)}
