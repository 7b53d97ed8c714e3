<?php

declare(strict_types=1);

namespace App;

use RuntimeException;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\RedirectResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\HttpKernel\Event\TerminateEvent;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    private int $requests = 0;

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
    }

    public function getProjectDir(): string
    {
        return dirname(__DIR__);
    }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', [
            'secret' => 'not-a-secret',
            'http_method_override' => false,
            'session' => ['storage_factory_id' => 'session.storage.factory.native'],
        ]);
        $container->services()
            ->set(Counter::class)->public()->autoconfigure()
            ->get('kernel')->tag('kernel.event_listener', ['event' => TerminateEvent::class, 'method' => 'ended']);
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $pages = ['home' => '/', 'state' => '/state', 'visits' => '/visits', 'greet' => '/greet', 'stream' => '/stream', 'fail' => '/fail'];
        foreach ($pages as $name => $path) {
            $routes->add($name, $path)->controller([$this, $name]);
        }
        $routes->add('old', '/old')->controller([$this, 'old']);
    }

    public function home(Request $request): Response
    {
        return new Response("<h1>Hello from Symfony</h1>\n<p>{$request->getSchemeAndHttpHost()}{$request->getRequestUri()}</p>\n");
    }

    /** What stays between two requests, and what does not. */
    public function state(): Response
    {
        $counter = $this->getContainer()->get(Counter::class);
        return new JsonResponse(['requests of the kernel' => ++$this->requests, 'count' => $counter->next()]);
    }

    public function visits(Request $request): Response
    {
        $session = $request->getSession();
        $session->set('visits', $session->get('visits', 0) + 1);
        return new Response("visit {$session->get('visits')}\n");
    }

    public function greet(Request $request): Response
    {
        return new Response("Hello {$request->request->get('name')}\n");
    }

    public function stream(): Response
    {
        return new StreamedResponse(static function (): void {
            for ($line = 1; $line <= 3; $line++) {
                echo "line $line\n";
                flush();
            }
        });
    }

    public function old(): Response
    {
        return new RedirectResponse('/');
    }

    public function fail(): Response
    {
        throw new RuntimeException('this page fails');
    }

    /** Runs when the client has its answer. */
    public function ended(TerminateEvent $event): void
    {
        file_put_contents($this->getProjectDir() . '/var/ended', $event->getRequest()->getPathInfo() . "\n", FILE_APPEND);
    }
}
