<?php

namespace App\Http\Middleware;

use Closure;
use Illuminate\Support\Facades\DB;

/** Computes the signature with the guide's own line, and notes whether it is the one that came. */
class CompareSignature
{
    public function handle($request, Closure $next)
    {
        $signature = hash_hmac('sha256', $request->getContent(), config('openwa.webhook_secret'));
        DB::table('signatures')->insert(['fits' => $request->header('X-OpenWA-Signature') === "sha256=$signature"]);

        return $next($request);
    }
}
