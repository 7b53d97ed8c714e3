<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;
use Symfony\Component\Runtime\RunnerInterface;

/** Answers requests with one kernel until the server ends the worker. */
final class WorkerRunner implements RunnerInterface
{
    public function __construct(private HttpKernelInterface $kernel)
    {
    }

    public function run(): int
    {
        // A client that goes away must not end the script that others wait for.
        ignore_user_abort(true);
        do {
            $ended = null;
            $more = frankenphp_handle_request(function () use (&$ended): void {
                $request = Request::createFromGlobals();
                $response = $this->kernel->handle($request);
                $response->send();
                $ended = [$request, $response];
            });
            // The client has already received its response.
            if ($ended !== null && $this->kernel instanceof TerminableInterface) {
                $this->kernel->terminate(...$ended);
            }
            gc_collect_cycles();
        } while ($more);
        return 0;
    }
}
