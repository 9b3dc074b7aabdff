from twisted.internet import endpoints, reactor
from twisted.web.server import Site

from agwtwisted import ProxyResource

resource = ProxyResource(reactor, ["127.0.0.1:9000"])
listening = endpoints.serverFromString(reactor, "tcp:8081:interface=127.0.0.1").listen(Site(resource))
reactor.run()
