<?php

namespace App\Http\Controllers;

use App\Services\OpenWaEvents;
use Illuminate\Http\Request;
use Illuminate\Http\Response;

/** Takes one event. An exception becomes a 500, and the manager sends the event again: 2 s, 10 s, 30 s … three days. */
class OpenWaWebhookController
{
    public function __invoke(Request $request, OpenWaEvents $events): Response
    {
        $events->handle(json_decode($request->getContent(), true, 512, JSON_THROW_ON_ERROR));

        return response()->noContent();
    }
}
