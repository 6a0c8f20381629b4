<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Http;

use Illuminate\Http\Request;
use Illuminate\Http\Response;
use OpenWaManager\Laravel\Services\OpenWaEvents;

/** Takes one event. An exception becomes a 500, and the manager sends the event again: 2 s, 10 s, 30 s … three days. */
final class OpenWaWebhookController
{
    public function __invoke(Request $request, OpenWaEvents $events): Response
    {
        $events->handle(json_decode($request->getContent(), true, 512, JSON_THROW_ON_ERROR));

        return response()->noContent();
    }
}
