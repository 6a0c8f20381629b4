<?php

namespace App\Http\Middleware;

use Closure;
use Illuminate\Http\Request;

/** Lets through only what the manager signed; always over the raw body, never over what was parsed from it. */
class VerifyOpenWaSignature
{
    private const TOLERANCE_S = 300;

    public function handle(Request $request, Closure $next)
    {
        $secret = (string) config('openwa.webhook_secret');
        $isSigned = config('openwa.signature') === 'plain'
            ? $this->isSignedPlainly($request, $secret)
            : $this->isSigned($request, $secret);
        if ($secret === '' || ! $isSigned) {
            return response()->json(['message' => 'The signature is wrong.'], 401);
        }

        return $next($request);
    }

    /** As standardwebhooks.com says: the time is signed too, so nobody can send an old request again. */
    private function isSigned(Request $request, string $secret): bool
    {
        $sentAt = (string) $request->header('webhook-timestamp');
        if (! ctype_digit($sentAt) || abs(time() - (int) $sentAt) > self::TOLERANCE_S) {
            return false;
        }
        $key = strncmp($secret, 'whsec_', 6) === 0 ? base64_decode(substr($secret, 6)) : $secret;
        $signed = $request->header('webhook-id').'.'.$sentAt.'.'.$request->getContent();
        $expected = 'v1,'.base64_encode(hash_hmac('sha256', $signed, $key, true));

        // While a secret is being changed there are two signatures: one that fits is enough.
        foreach (explode(' ', (string) $request->header('webhook-signature')) as $given) {
            if (hash_equals($expected, $given)) {
                return true;
            }
        }

        return false;
    }

    /** The short way: blind to a repeated request, so the event's id must keep it from counting twice. */
    private function isSignedPlainly(Request $request, string $secret): bool
    {
        $expected = 'sha256='.hash_hmac('sha256', $request->getContent(), $secret);

        return hash_equals($expected, (string) $request->header('X-OpenWA-Signature'));
    }
}
